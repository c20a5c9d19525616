"""Cache writes that live for an hour cost 2 x the input rate, those of five minutes 1.25 x."""

from __future__ import annotations

from fractions import Fraction

from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.reconciliation.bill_side import BillRow
from spanledger_analytics.reconciliation.case import Case, Claim, sure_if
from spanledger_analytics.reconciliation.material import Material
from spanledger_analytics.reconciliation.result import Cause

_HOUR_TO_FIVE_MINUTES = Fraction(8, 5)
"""2 / 1.25: https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching#pricing"""


def explain_cache_lifetime(case: Case, material: Material) -> list[Claim]:
    """Return what cache writes cost more or less because their lifetime is another."""
    if case.token_class is not TokenClass.CACHE_WRITE or not case.price:
        return []
    reported = _hours(case.billed_rows) or _hours(case.usage_rows)
    short = _short_rate(case, material)
    if reported is not None and short is not None:
        known = sum(row.write_1h for row in case.ledger_rows)
        long = material.rate(case, token_class=TokenClass.CACHE_WRITE_1H)
        step = (long or short * _HOUR_TO_FIVE_MINUTES) - short
        usd = round((reported - known) * step / 10**12)
        if case.fits(usd):
            text = (
                f"{_tokens(reported)} cache writes were for an hour, the ledger knows "
                f"{_tokens(known)} of them: an hour costs 2 times the input, five minutes 1.25."
            )
            confidence = sure_if(case.is_agreed)
            return [_claim(case, usd, confidence == "high", text)]
    usd = round(case.base_usd * (_HOUR_TO_FIVE_MINUTES - 1))
    if case.fits(usd):
        text = "The price is that of cache writes for an hour, the ledger's that of five minutes."
        return [_claim(case, usd, is_sure=False, text=text)]
    return []


def _claim(case: Case, usd: int, is_sure: bool, text: str) -> Claim:
    return Claim(
        Cause.CACHE_LIFETIME, case.exactly(usd), sure_if(is_sure), text, 0, "any",
        case.telemetry.calls,
    )  # fmt: skip


def _short_rate(case: Case, material: Material) -> Fraction | None:
    """Return what a write for five minutes costs a token, in units of 10^-12."""
    rate = material.rate(case)
    if rate is not None or not case.ledger.usd or not case.priced_quantity:
        return rate
    if any(row.write_1h for row in case.ledger_rows):
        return None
    return Fraction(case.ledger.usd * 10**12, case.priced_quantity)


def _hours(rows: list[BillRow]) -> int | None:
    """Return how many tokens were written for an hour; None: the report does not tell."""
    told = [row for row in rows if row.key.lifetime is not TokenClass.CACHE_WRITE]
    if not told or len(told) != len(rows) or any(row.quantity is None for row in told):
        return None
    return sum(row.quantity or 0 for row in told if row.key.lifetime is TokenClass.CACHE_WRITE_1H)


def _tokens(quantity: int) -> str:
    return f"{quantity // 10**12:,}"
