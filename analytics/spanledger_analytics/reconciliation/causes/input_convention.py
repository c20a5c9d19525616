"""Whether "input" includes cached tokens: providers and instrumentations differ."""

from __future__ import annotations

from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.reconciliation.case import Case, Claim, sure_if
from spanledger_analytics.reconciliation.material import Material
from spanledger_analytics.reconciliation.pico import ONE
from spanledger_analytics.reconciliation.result import Cause

_INPUTS = (TokenClass.UNCACHED, TokenClass.CACHE_READ, TokenClass.CACHE_WRITE)
_TELLING = 1_000 * ONE  # fewer tokens may be equal by chance


def explain_input_convention(case: Case, material: Material) -> list[Claim]:
    """Return what comes of cached tokens that one side has in another class, or twice."""
    if case.token_class not in _INPUTS or not case.quantity:
        return []
    inputs = [one for one in material.classes(case) if one.token_class in _INPUTS]
    return _moved(case, inputs) or _twice(case, inputs)


def _moved(case: Case, inputs: list[Case]) -> list[Claim]:
    if sum(one.quantity for one in inputs):
        return []
    text = "One side has cached tokens as plain input: the input as a whole agrees."
    confidence = sure_if(abs(case.quantity) >= _TELLING)
    return [
        Claim(
            Cause.INPUT_CONVENTION, case.volume, confidence, text, case.quantity, "any",
            case.telemetry.calls,
        )
    ]  # fmt: skip


def _twice(case: Case, inputs: list[Case]) -> list[Claim]:
    if case.token_class is not TokenClass.UNCACHED:
        return []
    by_class = {one.token_class: one for one in inputs}
    read = by_class.get(TokenClass.CACHE_READ)
    write = by_class.get(TokenClass.CACHE_WRITE)
    reads = read.ledger.quantity if read else 0
    writes = write.ledger.quantity if write else 0
    for cached, parts in ((reads, [read]), (reads + writes, [read, write]), (writes, [write])):
        if not cached or abs(case.quantity) != cached:
            continue
        agrees = all(one is not None and one.is_agreed for one in parts)
        side = "the ledger" if case.quantity < 0 else "the provider's report"
        text = f"The input of {side} includes its cached tokens, which are counted apart as well."
        confidence = sure_if(agrees and cached >= _TELLING)
        return [
            Claim(
                Cause.INPUT_CONVENTION, case.volume, confidence, text, case.quantity, "any",
                case.telemetry.calls,
            )
        ]  # fmt: skip
    return []
