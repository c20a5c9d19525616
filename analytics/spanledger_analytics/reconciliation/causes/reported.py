"""What providers' reports leave out, and what the ledger has no price for."""

from __future__ import annotations

from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.reconciliation.case import Case, Claim, sure_if
from spanledger_analytics.reconciliation.implied import plain_price
from spanledger_analytics.reconciliation.ledger_side import TOKEN_CLASSES
from spanledger_analytics.reconciliation.material import Material
from spanledger_analytics.reconciliation.pico import from_pico, pro_rata, to_pico
from spanledger_analytics.reconciliation.result import Cause

_NOT_IN_COSTS = frozenset({("anthropic", "priority")})
"""Tiers that a provider's cost report lacks. https://docs.anthropic.com/en/api/usage-cost-api"""


def explain_not_reported(case: Case, material: Material) -> list[Claim]:
    """Return what calls cost that the provider's costs leave out.

    Known tiers of a provider; or a model whose tokens the usage report has, and no line of costs.
    """
    if case.token_class not in TOKEN_CLASSES or case.rest >= 0 or material.unit.is_derived:
        return []
    if case.billed_rows:
        return _left_out(case, material)
    tier = case.key.service_tier or ""
    is_known = (material.unit.provider_id, tier) in _NOT_IN_COSTS
    is_in_usage = case.usage_quantity == case.ledger.quantity > 0
    if not (is_known or is_in_usage):
        return []
    what = f"calls of the tier {tier}" if tier else "these calls"
    told = " The usage report has exactly these tokens." if is_in_usage else ""
    confidence = sure_if(is_known and is_in_usage)
    text = f"The cost report has no line for {what}.{told} They may be billed elsewhere."
    return [
        Claim(
            Cause.NOT_REPORTED, case.rest, confidence, text, case.quantity, "any",
            case.telemetry.calls,
        )
    ]  # fmt: skip


def _left_out(case: Case, material: Material) -> list[Claim]:
    """Return what is left out of a cell with other calls, where tiers are not told apart."""
    rows = [
        row
        for row in case.ledger_rows
        if (material.unit.provider_id, row.names.service_tier) in _NOT_IN_COSTS
    ]
    sums = [row.sums[case.token_class] for row in rows if case.token_class in row.sums]
    usd, quantity = sum(one.usd for one in sums), sum(one.quantity for one in sums)
    if case.key.service_tier is not None or not usd or abs(case.rest + usd) > case.rounding:
        return []
    text = "The cost report leaves out the tier priority; the rest agrees."
    shift = -quantity if case.quantity == -quantity else 0
    count = sum(row.telemetry.calls for row in rows)
    return [Claim(Cause.NOT_REPORTED, -usd, "medium", text, shift, "any", count)]


def explain_unpriced(case: Case, material: Material) -> list[Claim]:
    """Return what calls without a price in the ledger come to at the price of the others."""
    unpriced = case.ledger.unpriced
    if not unpriced or case.rest <= 0 or case.token_class is TokenClass.REQUESTS:
        return []
    charged = case.charged_quantity
    if case.ledger.usd and case.priced_quantity:
        usd = pro_rata(case.ledger.usd, unpriced, case.priced_quantity)
    elif charged:
        usd = pro_rata(_plain_usd(case, charged), unpriced, charged)
    else:
        usd = case.price
    usd = usd if case.fits(usd) is False else case.exactly(usd)
    if not usd or usd > case.price + case.rounding:
        return []
    text = (
        f"The ledger knows the tokens of {case.telemetry.unpriced:,} calls, and no price for them: "
        f"they are in its costs with nothing."
    )
    confidence = sure_if(case.is_agreed or bool(charged))
    count = case.telemetry.unpriced
    del material
    return [Claim(Cause.UNPRICED, usd, confidence, text, 0, "unpriced", count)]


def _plain_usd(case: Case, charged: int) -> int:
    """Return what is charged; of one line in whole cents, what its plainest price comes to."""
    if not case.is_in_cents or sum(row.lines for row in case.billed_rows) != 1:
        return case.billed_usd
    quantity = from_pico(charged)
    price = plain_price(from_pico(case.billed_usd), quantity, 1_000_000)
    return case.billed_usd if price is None else to_pico(price * quantity / 1_000_000)
