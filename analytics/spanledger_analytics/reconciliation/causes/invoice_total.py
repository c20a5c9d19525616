"""Why an invoice comes to something else than the sum of its lines: the first cause that fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from spanledger_analytics.reconciliation.pico import from_pico
from spanledger_analytics.reconciliation.result import Cause, Confidence
from spanledger_analytics.reconciliation.tolerance import invoice_limit, subunit

_ZERO = Decimal(0)
# Plain percentages first; sales taxes go by tenths and eighths of one.
_STEPS = (Decimal("0.01"), Decimal("0.005"), Decimal("0.001"), Decimal("0.00125"))
_MOST_PERCENT = Decimal("0.3")
_FEWEST_UNITS = 20  # of a subunit between two steps: below it some percentage always fits
_ROUND_FEE, _ROUND_CREDIT = Decimal(50), Decimal(5)


@dataclass(frozen=True, slots=True)
class Difference:
    """An invoice and its lines, in the currency of the invoice.

    Attributes:
        amount: what the invoice says.
        base: what its lines add up to, with what the ledger says of days without a report.
        currency: of both.
        lines: how many there are.
        taxes: of them, what is tax.
        credits: of them, what is credits and discounts.
        is_converted: whether lines are in another currency.
    """

    amount: Decimal
    base: Decimal
    currency: str
    lines: int
    taxes: Decimal = _ZERO
    credits: Decimal = _ZERO
    is_converted: bool = False

    @property
    def rest(self) -> Decimal:
        """What the invoice says beyond its lines."""
        return self.amount - self.base

    @property
    def unit(self) -> Decimal:
        """The smallest amount of the currency: a cent."""
        return from_pico(subunit(self.currency))


Found = tuple[Cause, Confidence, str]


def explain_total(one: Difference) -> Found:
    """Return why an invoice differs from its lines: a cause, how sure that is, and a sentence.

    One cause takes all of the difference, the first that fits; what none fits is unexplained.
    """
    for candidate in _CANDIDATES:
        if found := candidate(one):
            return found
    if not one.lines:
        return Cause.UNEXPLAINED, "low", "No line of a report is imported for this invoice."
    return Cause.UNEXPLAINED, "low", "Neither tax, credit, rounding nor a round fee fits."


def _last_digit(one: Difference) -> Found | None:
    if abs(one.rest) >= one.unit:
        return None
    text = "The invoice is of whole cents, and its lines add up to fractions of one."
    return Cause.ROUNDING, "high", text


def _without_taxes(one: Difference) -> Found | None:
    if not one.taxes or abs(one.rest + one.taxes) >= one.unit:
        return None
    return Cause.TAX, "high", "The amount is the invoice before tax; the lines hold the tax."


def _without_credits(one: Difference) -> Found | None:
    if not one.credits or abs(one.rest + one.credits) >= one.unit:
        return None
    text = "The amount is the invoice before credits; the lines take them off."
    return Cause.CREDIT, "high", text


def _all_credit(one: Difference) -> Found | None:
    if one.amount or one.base <= 0:
        return None
    return Cause.CREDIT, "medium", "Nothing is to be paid: a credit or prepaid balance covers it."


def _roundings(one: Difference) -> Found | None:
    limit = from_pico(invoice_limit(one.lines, one.currency))
    if abs(one.rest) > limit:
        return None
    each = one.lines * one.unit / 2
    text = f"Within {limit:f} {one.currency}, which FOCUS allows for {one.lines:,} rounded lines."
    return Cause.ROUNDING, "medium" if abs(one.rest) <= each else "low", text


def _exchange(one: Difference) -> Found | None:
    if not one.is_converted or abs(one.rest) > abs(one.base) / 10:
        return None
    text = f"Lines are in another currency; the invoice may have its own rate to {one.currency}."
    return Cause.CURRENCY, "low", text


def _tax(one: Difference) -> Found | None:
    rate = _percent(one)
    if rate is None or one.rest < 0 or one.taxes:
        return None
    percent = f"{(rate * 100).normalize():f} %"
    text = f"It is {percent} of the lines, as a sales or value added tax would be."
    return Cause.TAX, "medium" if rate * 100 % 1 == 0 else "low", text


def _discount(one: Difference) -> Found | None:
    rate = _percent(one)
    if rate is None or one.rest > 0:
        return None
    percent = f"{(rate * 100).normalize():f} %"
    text = f"It is {percent} of the lines: a discount on the invoice as a whole."
    return Cause.DISCOUNT, "medium" if rate * 100 % 1 == 0 else "low", text


def _fee(one: Difference) -> Found | None:
    if one.rest <= 0 or not one.amount or one.amount % _ROUND_FEE:
        return None
    text = "The invoice is a round amount above its lines: a minimum fee or commitment."
    return Cause.DISCOUNT, "low", text


def _credit(one: Difference) -> Found | None:
    off = abs(one.rest)
    rounded = off.quantize(one.unit)
    if one.rest >= 0 or not rounded or rounded % _ROUND_CREDIT or abs(off - rounded) >= one.unit:
        return None
    return Cause.CREDIT, "low", f"The invoice is {rounded:f} {one.currency} lower: a round credit."


def _percent(one: Difference) -> Decimal | None:
    """Return the share of the lines that the difference is; None: no plain percentage."""
    if one.base <= 0:
        return None
    share = abs(one.rest) / one.base
    for step in _STEPS:
        rate = (share / step).to_integral_value() * step
        if one.base * step < _FEWEST_UNITS * one.unit:
            continue
        if 0 < rate <= _MOST_PERCENT and abs(abs(one.rest) - one.base * rate) < one.unit:
            return rate
    return None


_CANDIDATES: tuple[Callable[[Difference], Found | None], ...] = (
    _last_digit, _without_taxes, _without_credits, _all_credit, _roundings, _exchange, _tax,
    _discount, _fee, _credit,
)  # fmt: skip
