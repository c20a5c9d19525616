"""Requests above a provider's size boundary, which cost more."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from spanledger_analytics.reconciliation.case import Case, Claim, sure_if
from spanledger_analytics.reconciliation.causes.transfers import find_transfer
from spanledger_analytics.reconciliation.contexts import BOUNDARIES
from spanledger_analytics.reconciliation.ledger_side import TOKEN_CLASSES
from spanledger_analytics.reconciliation.material import Material
from spanledger_analytics.reconciliation.result import Cause

_FACTORS = (Fraction(2), Fraction(3, 2))
"""By which long requests are dearer: input twice, output half as much again.

https://docs.anthropic.com/en/docs/about-claude/pricing#long-context-pricing
"""


def explain_long_context(case: Case, material: Material) -> list[Claim]:
    """Return what long requests cost more or less than in the ledger."""
    if case.token_class not in TOKEN_CLASSES:
        return []
    transfer = find_transfer(case, material, "context")
    if transfer is not None:
        text = "As many tokens are off the other way in requests of another size."
        confidence = sure_if(transfer.classes >= 2)
        count = case.telemetry.calls
        return [
            Claim(Cause.LONG_CONTEXT, case.volume, confidence, text, case.quantity, "any", count)
        ]
    for boundary, usd in _candidates(case):
        if not case.fits(usd):
            continue
        others = material.others(case)
        if not all(_fits_too(one, boundary) for one in others):
            continue
        dearer = "charges more for" if usd > 0 else "does not charge more for"
        text = (
            f"The provider {dearer} requests of more than {boundary:,} input tokens, "
            "and the ledger's price says otherwise."
        )
        count = sum(
            row.telemetry.calls for row in case.ledger_rows if _is_long(row.bucket, boundary)
        )
        confidence = sure_if(bool(others) and case.is_agreed)
        return [Claim(Cause.LONG_CONTEXT, case.exactly(usd), confidence, text, 0, "long", count)]
    return []


def _candidates(case: Case) -> Iterator[tuple[int, int]]:
    """Return boundaries that requests exceed, with what another price of these comes to."""
    for boundary in BOUNDARIES:
        usd = sum(
            row.sums[case.token_class].usd
            for row in case.ledger_rows
            if _is_long(row.bucket, boundary) and case.token_class in row.sums
        )
        if not usd:
            return
        for factor in _FACTORS:
            yield boundary, round(usd * (factor - 1))
            yield boundary, round(usd / factor) - usd


def _fits_too(case: Case, boundary: int) -> bool:
    return any(
        abs(usd - case.price) <= case.rounding < abs(usd)
        for bound, usd in _candidates(case)
        if bound == boundary
    )


def _is_long(bucket: int, boundary: int) -> bool:
    return bucket > BOUNDARIES.index(boundary)
