"""The price behind an amount: the plainest number that the amount could be the product of."""

from __future__ import annotations

from decimal import Context, Decimal

_EXACT = Context(prec=60)
_CENT_HALF = Decimal("0.005")  # reports round to cents at most
_MOST_PLACES = 12
_RATIO_PLACES = 4


def plain_price(amount: Decimal, quantity: Decimal, per: int) -> Decimal | None:
    """Return the price for ``per`` pieces with the fewest decimals that gives the amount.

    The amount may be rounded at its last digit, and is taken to have no fewer than cents; None
    without a quantity, or where twelve decimals do not do.
    """
    if quantity <= 0:
        return None
    exponent = amount.normalize().as_tuple().exponent
    places = -exponent if isinstance(exponent, int) else 0
    error = min(_CENT_HALF, Decimal(5).scaleb(-max(places, 2) - 1))
    factor = _EXACT.divide(Decimal(per), quantity)
    exact = _EXACT.multiply(amount, factor)
    slack = _EXACT.multiply(error, factor)
    for digits in range(_MOST_PLACES + 1):
        rounded = exact.quantize(Decimal(1).scaleb(-digits), context=_EXACT)
        if abs(_EXACT.subtract(rounded, exact)) <= slack:
            return rounded
    return exact.quantize(Decimal(1).scaleb(-_MOST_PLACES), context=_EXACT)


def plain_ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    """Return a ratio with at most four decimals; None where that is not what it is.

    Both may be off by the rounding of many small amounts, so a tenth of a per mille is let pass.
    """
    if whole <= 0:
        return None
    exact = _EXACT.divide(part, whole)
    rounded = exact.quantize(Decimal(1).scaleb(-_RATIO_PLACES), context=_EXACT)
    return rounded if abs(rounded - exact) <= Decimal("0.00005") else None
