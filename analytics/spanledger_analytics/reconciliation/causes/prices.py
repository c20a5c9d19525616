"""Prices that differ, and what rounding leaves."""

from __future__ import annotations

from spanledger_analytics.reconciliation.case import Case, Claim, sure_if
from spanledger_analytics.reconciliation.causes.discount import explain_rounded_discount
from spanledger_analytics.reconciliation.ledger_side import TOKEN_CLASSES
from spanledger_analytics.reconciliation.material import Material
from spanledger_analytics.reconciliation.pico import from_pico, pro_rata
from spanledger_analytics.reconciliation.result import Cause, Confidence

_MILLION = 10**18  # tokens in units of 10^-12


def explain_price_book(case: Case, material: Material) -> list[Claim]:
    """Return what comes of another price for the same quantity.

    Where the provider's own lines elsewhere are at the ledger's price, this line is off; where
    they have the new price too, the ledger's price is stale.
    """
    charged = case.charged_quantity
    if abs(case.price) <= case.rounding or not charged or not case.ledger.usd:
        return []
    if case.token_class not in TOKEN_CLASSES and not case.ledger.quantity:
        return []
    base = case.base_usd
    target = base + case.price
    others = [one for one in material.elsewhere(case) if one.charged_quantity and one.base_usd > 0]
    new = [one for one in others if _costs(one, target, charged)]
    old = [one for one in others if _costs(one, base, charged)]
    text = f"A million cost {_price(target, charged)} by the bill, {_price(base, charged)} here."
    confidence: Confidence = "medium"
    if old and not new:
        text += " The provider's other lines are at the price here: this line is off."
        confidence = sure_if(case.usage_quantity == charged and _is_alone(material))
    elif new and not old:
        text += " Its other lines have the same price: the price here is stale."
        confidence = sure_if(case.is_agreed and len(new) > 1)
    return [Claim(Cause.PRICE_BOOK, case.price, confidence, text, 0, "any", case.telemetry.calls)]


def explain_rounding(case: Case, material: Material) -> list[Claim]:
    """Return what is left, where it is no more than rounded amounts leave."""
    if not case.billed_rows or not case.rest or abs(case.rest) > case.rounding:
        return []
    # A discount read off rounded amounts was off by a part of the rounding.
    found = explain_rounded_discount(case, material)
    usd = case.rest - sum(claim.usd for claim in found)
    lines = sum(row.lines for row in case.billed_rows)
    text = f"No more than rounding the amounts of {lines:,} lines leaves."
    return [*found, Claim(Cause.ROUNDING, usd, "high", text)]


def _is_alone(material: Material) -> bool:
    """Return whether one line of the day alone is off, and others are at the price here."""
    off, agreeing = material.off_price
    return off == 1 and agreeing > 0


def _costs(case: Case, usd: int, quantity: int) -> bool:
    """Return whether a cell's bill is at the price that an amount for a quantity makes."""
    expected = pro_rata(usd, case.charged_quantity or 0, quantity)
    return abs(expected - case.billed_usd) <= case.rounding + abs(expected) // 10**6


def _price(usd: int, quantity: int) -> str:
    return f"${from_pico(pro_rata(usd, _MILLION, quantity)):.4f}"
