"""Flat rates side by side: what two tables disagree about, and how a rate is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from spanledger_analytics.price_book.rates import FlatRate

FlatKey = tuple[str, str, str, str, int, str]
Status = Literal["only here", "only there", "different", "same"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One key of two tables; a side without a rate is None."""

    key: FlatKey
    status: Status
    here: FlatRate | None
    there: FlatRate | None


def compare(here: Iterable[FlatRate], there: Iterable[FlatRate]) -> list[Difference]:
    """Return every key of two tables, sorted, with what they say about it.

    Prices are compared exactly and per token: 2.50 per million is 0.0025 per thousand.
    """
    left = {flat_key(flat): flat for flat in here}
    right = {flat_key(flat): flat for flat in there}
    keys = sorted(left.keys() | right.keys())
    return [
        Difference(key, _status(left.get(key), right.get(key)), left.get(key), right.get(key))
        for key in keys
    ]


def flat_key(flat: FlatRate) -> FlatKey:
    """Return what a rate is for."""
    return (
        flat.provider,
        flat.model,
        flat.region,
        flat.service_tier,
        flat.above_tokens,
        flat.token_class,
    )


def unit_price(flat: FlatRate) -> Fraction:
    """Return the price of one token or piece, exactly, in the rate's currency."""
    return Fraction(flat.price) / flat.per


def price_text(price: Decimal, per: int, currency: str) -> str:
    """Return a price as people write it: ``$2.50 per 1,000,000``, ``0.01 EUR each``."""
    whole, _, places = f"{price:f}".partition(".")
    digits = f"{whole}.{places.rstrip('0').ljust(2, '0')}"
    amount = f"${digits}" if currency == "USD" else f"{digits} {currency}"
    return f"{amount} each" if per == 1 else f"{amount} per {per:,}"


def _status(here: FlatRate | None, there: FlatRate | None) -> Status:
    if here is None:
        return "only there"
    if there is None:
        return "only here"
    is_same = here.currency == there.currency and unit_price(here) == unit_price(there)
    return "same" if is_same else "different"
