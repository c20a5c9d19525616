"""Tokens the provider counted and the ledger did not: whose, and why they are not known."""

from __future__ import annotations

from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.reconciliation.case import Case, Claim, sure_if
from spanledger_analytics.reconciliation.ledger_side import TOKEN_CLASSES
from spanledger_analytics.reconciliation.material import Material, Requests
from spanledger_analytics.reconciliation.models import plain_name
from spanledger_analytics.reconciliation.pico import ONE
from spanledger_analytics.reconciliation.result import Cause, Confidence

_MOST_OF_USUAL = 20
"""A call without usage is not taken to have used more than so many times what the others did."""


def explain_missing_usage(case: Case, material: Material) -> list[Claim]:
    """Return what calls used that tell no usage: cancelled streams, or such that did not ask.

    Sure where the provider counts as many requests as the ledger, so that no call is missing.
    """
    silent = _silent(case)
    if case.quantity <= 0 or not silent:
        return []
    telling = case.telemetry.calls - silent
    quantity = case.quantity - _known_retries(case)
    usual = case.ledger.quantity // telling if telling > 0 else quantity
    if quantity <= 0 or quantity > _MOST_OF_USUAL * silent * max(usual, 1):
        return []
    requests = material.requests(case)
    missing = _missing_calls(requests)
    if requests is not None and missing > 0:
        quantity = quantity * silent // (silent + missing)
    text = (
        f"{silent:,} calls are in the ledger without their tokens: cancelled streams, or streams "
        f"that do not ask for usage.{_agreement(requests)}"
    )
    confidence: Confidence = sure_if(requests is not None and missing == 0)
    usd = case.worth(quantity)
    return [
        Claim(
            Cause.MISSING_USAGE, usd, "low" if missing > 0 else confidence, text, quantity,
            "incomplete", silent,
        )
    ]  # fmt: skip


def explain_hidden_retries(case: Case, material: Material) -> list[Claim]:
    """Return what attempts used that a library made by itself, and the provider charged."""
    quantity = _known_retries(case)
    if not quantity:
        return []
    extra = case.telemetry.extra_attempts
    requests = material.requests(case)
    is_counted = requests is not None and requests.reported == requests.calls + extra > 0
    is_exact = quantity == case.quantity
    text = (
        f"{extra:,} attempts were repeated before their calls succeeded; the provider charges "
        f"every attempt that reached it.{_agreement(requests)}"
    )
    confidence = sure_if(is_counted and is_exact)
    usd = case.ledger.retried_usd
    return [Claim(Cause.HIDDEN_RETRIES, usd, confidence, text, quantity, "retried", extra)]


def explain_hidden_tokens(case: Case, material: Material) -> list[Claim]:
    """Return tokens of known calls that their usage does not tell.

    Only where every call told its usage, and the provider counts as many requests as the ledger,
    or other causes leave nothing of all other classes: no call is missing then.
    """
    requests = material.requests(case)
    if case.quantity <= 0 or _silent(case) or not case.ledger.quantity:
        return []
    if requests is None:
        is_complete = _rest_agrees(case, material)
        told = "Every other class of tokens agrees to the last token, so no call is missing"
    else:
        is_complete = not _missing_calls(requests)
        told = "The provider counts as many requests as the ledger"
        if requests.extra_attempts:
            is_complete &= _rest_agrees(case, material)
            told += " with the attempts of its calls"
    if not is_complete:
        return []
    is_confirmed = case.usage_quantity is not None and case.usage_quantity == case.charged_quantity
    text = (
        f"{told}, and more tokens in them: definitions of tools, compaction or thinking, which "
        "the usage of a call may leave out."
    )
    is_counted = requests is not None and not requests.extra_attempts
    confidence = sure_if(is_confirmed and is_counted)
    return [
        Claim(
            Cause.HIDDEN_TOKENS, case.volume, confidence, text, case.quantity, "any",
            case.telemetry.calls,
        )
    ]  # fmt: skip


def explain_other_traffic(case: Case, material: Material) -> list[Claim]:
    """Return what a key, workspace or model used that never sends telemetry."""
    if not _is_token_like(case) or case.rest <= 0 or _is_rounding(case):
        return []
    seen, key = material.seen, case.key
    if not case.ledger.quantity and not case.ledger.usd:
        for what, value, known in (
            ("workspace or project", key.scope, seen.scopes),
            ("key", key.api_key, seen.api_keys),
            ("model", None if key.model is None else plain_name(key.model), seen.models),
        ):
            if value is None or value in known or (what == "model" and _is_known(case)):
                continue
            if what == "model":
                # Another model the ledger has too much of may be the same under another name.
                family = material.siblings(case, "model")
                is_alone = all((one.charged_quantity or 0) >= one.ledger.quantity for one in family)
                return [_stranger(case, material, what, key.model or "", is_sure=is_alone)]
            return [_stranger(case, material, what, value)]
    return _unseen_part(case, material)


def _stranger(
    case: Case, material: Material, what: str, value: str, *, is_sure: bool = True
) -> Claim:
    is_confirmed = bool(case.usage_quantity) and is_sure
    named = f"The {what} {value}" if value else f"No {what}: the default one or the console"
    text = (
        f"{named} sent no telemetry on this day, nor the day before or after. Somebody else uses "
        "it, or it is not instrumented."
    )
    confidence: Confidence = sure_if(is_confirmed)
    return Claim(Cause.OTHER_TRAFFIC, _unrounded(case, material), confidence, text, case.quantity)


def _unrounded(case: Case, material: Material) -> int:
    """Return what a cell's tokens cost by the book, where its bill is that in whole cents."""
    rate = material.rate(case) if case.is_in_cents else None
    usd = case.rest if rate is None else round(rate * case.quantity / ONE)
    return usd if case.quantity and abs(usd - case.rest) <= case.rounding else case.rest


def _unseen_part(case: Case, material: Material) -> list[Claim]:
    """Return what reports have of keys nobody sent telemetry of, where keys are not told apart."""
    rows = case.usage_rows or case.billed_rows
    seen = material.seen
    for name, known in (("api_key", seen.api_keys), ("scope", seen.scopes)):
        if getattr(case.key, name) is not None:
            continue
        told = [(getattr(row.key, name), row.quantity) for row in rows]
        strange = [
            quantity or 0
            for value, quantity in told
            if value is not None and (value not in known if known else value == "")
        ]
        if strange and 0 < sum(strange) == case.quantity:
            text = "Exactly this is reported of keys or workspaces that sent no telemetry."
            return [Claim(Cause.OTHER_TRAFFIC, case.volume, "high", text, case.quantity)]
    return []


def explain_missing_telemetry(case: Case, material: Material) -> list[Claim]:
    """Return what is left of tokens the ledger does not know, of keys that do send telemetry."""
    if not _is_token_like(case) or case.volume <= 0 or _is_rounding(case):
        return []
    requests = material.requests(case)
    missing = _missing_calls(requests)
    if requests is not None and missing <= 0 and case.ledger.quantity:
        confidence: Confidence = "low"
    else:
        confidence = sure_if(missing > 0 and not _silent(case) and not _is_moved(case, material))
    text = (
        f"The key, workspace or model does send telemetry, but not of these calls."
        f"{_agreement(requests)}"
    )
    return [Claim(Cause.MISSING_TELEMETRY, case.volume, confidence, text, case.quantity)]


def _rest_agrees(case: Case, material: Material) -> bool:
    """Return whether nothing is left of all other classes of the same key, and there are any."""
    others = [
        one
        for one in material.classes(case)
        if one is not case and (one.ledger.quantity or one.charged_quantity)
    ]
    return bool(others) and all(
        one.ledger.quantity and one.charged_quantity and not one.quantity for one in others
    )


def _silent(case: Case) -> int:
    """Return how many calls do not tell the tokens of this class."""
    telemetry = case.telemetry
    if case.token_class is TokenClass.OUTPUT:
        return max(telemetry.without_output, telemetry.cut)
    return telemetry.without_input if case.token_class in TOKEN_CLASSES else 0


def _known_retries(case: Case) -> int:
    """Return what repeated attempts used, as far as the difference has room for it."""
    retried = case.ledger.retried if case.token_class in TOKEN_CLASSES else 0
    return retried if 0 < retried <= case.quantity else 0


def _missing_calls(requests: Requests | None) -> int:
    if requests is None:
        return 0
    return requests.reported - requests.calls - requests.extra_attempts


def _agreement(requests: Requests | None) -> str:
    if requests is None:
        return ""
    return (
        f" The provider counts {requests.reported:,} requests, the ledger {requests.calls:,} calls."
    )


def _is_rounding(case: Case) -> bool:
    """Return whether what is left of an agreed quantity is no more than rounding leaves."""
    is_counted = case.charged_quantity is not None and not case.quantity
    return is_counted and abs(case.rest) <= case.rounding


def _is_moved(case: Case, material: Material) -> bool:
    """Return whether calls ran over midnight, so that a part may be of another day."""
    before = material.neighbour(case, -1)
    return bool(case.ledger.crossing or (before is not None and before.ledger.crossing))


def _is_known(case: Case) -> bool:
    return bool(case.ledger_rows)


def _is_token_like(case: Case) -> bool:
    return case.token_class in (*TOKEN_CLASSES, TokenClass.MODEL)
