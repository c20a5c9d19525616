"""Exact arithmetic of matching: money and quantities as whole numbers of 10^-12."""

from __future__ import annotations

from decimal import Context, Decimal

ONE = 10**12
_EXACT = Context(prec=80)


def to_pico(value: Decimal | None) -> int:
    """Return a number in units of 10^-12, half to even where it is finer; None is 0."""
    if not value:
        return 0
    return int(_EXACT.to_integral_value(_EXACT.scaleb(value, 12)))


def from_pico(value: int) -> Decimal:
    """Return the number again, with twelve decimals."""
    return _EXACT.scaleb(Decimal(value), -12)


def pro_rata(amount: int, part: int, whole: int) -> int:
    """Return the part's share of an amount, rounded half to even; ``whole`` is not 0."""
    product = amount * part
    if whole < 0:
        product, whole = -product, -whole
    share, rest = divmod(product, whole)
    twice = 2 * rest
    return share + (twice > whole or (twice == whole and share % 2 == 1))
