"""The rates of one call's input: plain, read from the cache, written to it; and what they make.

Prices are those of the ledger's entry: its own price id and contract, not whatever the book says
today. Everything is exact: fractions of picodollars until the sum, then rounded half to even; as
whole numbers over one denominator, because there is a sum for every call.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from spanledger_analytics.cache.calls import CacheEntry
from spanledger_analytics.entry_prices import usd
from spanledger_analytics.price_book.book import PriceBook, PriceKey
from spanledger_analytics.price_book.rates import ContextPrices, Discount, Price

_PICO = 10**12
_EXACT = Context(prec=60)
_NOTHING = Decimal(0).scaleb(-12)


class Rates(NamedTuple):
    """Picodollars per token, after the contract.

    ``write`` is the rate of this call's own mix of lifetimes; of a call that wrote nothing, the
    rate of five minutes.
    """

    input: Fraction
    audio_input: Fraction
    read: Fraction
    write: Fraction
    write_5m: Fraction
    write_1h: Fraction

    def factor(self, rate: Fraction) -> float | None:
        """Return a rate over plain input: r of a read, w of a write; None where input is free."""
        plain = self.input
        if not plain.numerator:
            return None
        # As of fractions, whose own arithmetic would take most of the time of a call.
        return (rate.numerator * plain.denominator) / (rate.denominator * plain.numerator)


class Money(NamedTuple):
    """Dollars of one call; see docs/cache.md for the formulas."""

    full_usd: Decimal
    read_saving_usd: Decimal
    write_extra_usd: Decimal


class BreakEven(NamedTuple):
    """When caching pays: ``uses`` of one written prefix in all, or ``reads`` per write."""

    uses: Fraction
    reads: Fraction


def break_even(read: Fraction, write: Fraction) -> BreakEven | None:
    """Return N* = (w - r) / (1 - r) and N* - 1 = (w - 1) / (1 - r).

    None where a read costs as much as plain input: then no number of reads pays.
    """
    if read >= 1:
        return None
    return BreakEven((write - read) / (1 - read), max(Fraction(0), write - 1) / (1 - read))


def pings_worth(read: Fraction, write: Fraction) -> Fraction | None:
    """Return how many keep-alive reads cost as much as one new write: (w - r) / r."""
    return (write - read) / read if read else None


def rates_of(entry: CacheEntry, prices: Callable[[CacheEntry], ContextPrices]) -> Rates | None:
    """Return the rates an entry was priced with; None when they are not known.

    Where the book has moved on since (the entry's price id is no longer its), the rates follow
    from what the entry's parts cost; that takes plain input without audio or images.
    """
    if entry.price_status != "priced":
        return None
    found = prices(entry)
    price = found.for_input(entry.input_tokens)
    if price is None or price.input is None:
        return None
    contract = found.discount.contract_id if found.discount else ""
    rates = _rates(entry, price, found.discount)
    if price.price_id == entry.price_id and contract == entry.contract_id:
        return rates
    return _told_by_costs(entry, rates)


def book_prices(book: PriceBook) -> Callable[[CacheEntry], ContextPrices]:
    """Return how to look up the prices of entries in a book."""

    def prices(entry: CacheEntry) -> ContextPrices:
        key = PriceKey(
            entry.provider, entry.model, entry.request_model, entry.service_tier, entry.region
        )
        return book.resolve(key, entry.time_ns)

    return prices


def money_of(entry: CacheEntry, rates: Rates) -> Money:
    """Return what one call's cache saved and cost.

    Reads and writes are taken at what the entry's parts cost, where the ledger knows that.
    """
    whole, (plain, audio_rate, read_rate, write_rate) = _numerators(rates)
    audio = min(entry.cache_read_audio_tokens or 0, entry.read)
    plain_read = (entry.read - audio) * plain + audio * audio_rate
    plain_write = entry.write * plain
    paid_read = _paid(entry.cache_read_cost_usd, whole, entry.read * read_rate)
    paid_write = _paid(entry.cache_write_cost_usd, whole, entry.write * write_rate)
    full = _paid(entry.uncached_cost_usd, whole, entry.uncached * plain) + plain_read + plain_write
    return Money(
        _usd(full, whole),
        _usd(plain_read - paid_read, whole),
        _usd(paid_write - plain_write, whole),
    )


def lost_usd(entry: CacheEntry, rates: Rates, lost_tokens: int) -> Decimal:
    """Return what tokens cost beyond a cache read: as writes, as far as the call wrote any."""
    if not lost_tokens:
        return _NOTHING
    whole, (plain, _, read, write) = _numerators(rates)
    written = min(lost_tokens, entry.write)
    return _usd(written * (write - read) + (lost_tokens - written) * (plain - read), whole)


def _numerators(rates: Rates) -> tuple[int, tuple[int, int, int, int]]:
    """Return rates of input, audio, reads and writes as whole numbers over one denominator."""
    told = rates[:4]
    whole = math.lcm(*[rate.denominator for rate in told])
    one, two, three, four = [rate.numerator * (whole // rate.denominator) for rate in told]
    return whole, (one, two, three, four)


def _paid(stored: Decimal | None, whole: int, computed: int) -> int:
    """Return a part of the cost in picodollars times ``whole``."""
    return computed if stored is None else int(_EXACT.scaleb(stored, 12)) * whole


def _usd(numerator: int, whole: int) -> Decimal:
    """Return dollars of a fraction of picodollars, rounded half to even."""
    if whole == 1:
        return usd(numerator)
    pico, rest = divmod(numerator, whole)
    return usd(pico + (2 * rest > whole or (2 * rest == whole and pico % 2)))


def dollars(picodollars: Fraction) -> Decimal:
    """Return dollars, rounded half to even to whole picodollars."""
    return usd(round(picodollars))


class _ByClass(NamedTuple):
    """The rates of a price after the contract; ``write`` is of writes without a lifetime."""

    input: Fraction
    audio_input: Fraction
    read: Fraction
    write: Fraction
    write_5m: Fraction
    write_1h: Fraction


@lru_cache(maxsize=4_096)
def _by_class(price: Price, discount: Discount | None) -> _ByClass:
    factor = Fraction(1)
    if discount:
        factor = Fraction(discount.numerator, discount.denominator)

    def rate(value: int | None) -> Fraction:
        return Fraction(value or 0, price.scale) * factor

    return _ByClass(
        rate(price.input),
        rate(price.audio_input),
        rate(price.cache_read),
        rate(price.cache_write),
        rate(price.cache_write_5m),
        rate(price.cache_write_1h),
    )


def _rates(entry: CacheEntry, price: Price, discount: Discount | None) -> Rates:
    known = _by_class(price, discount)
    short, long = entry.cache_write_5m_tokens or 0, entry.cache_write_1h_tokens or 0
    rest = entry.write - short - long
    write = known.write_5m
    if entry.write and rest >= 0:
        if rest == entry.write:
            write = known.write
        elif short != entry.write:
            total = rest * known.write + short * known.write_5m + long * known.write_1h
            write = total / entry.write
    return Rates(known.input, known.audio_input, known.read, write, known.write_5m, known.write_1h)


def _told_by_costs(entry: CacheEntry, book: Rates) -> Rates | None:
    """Return the rates that the parts of an entry's cost tell; other classes keep their ratio."""
    is_mixed = entry.audio_input_tokens or entry.image_tokens or entry.cache_read_audio_tokens
    if is_mixed or not entry.uncached or entry.uncached_cost_usd is None or not book.input:
        return None
    plain = Fraction(entry.uncached_cost_usd) * _PICO / entry.uncached
    ratio = plain / book.input
    told = Rates(*(rate * ratio for rate in book))
    if entry.read and entry.cache_read_cost_usd is not None:
        told = told._replace(read=Fraction(entry.cache_read_cost_usd) * _PICO / entry.read)
    if entry.write and entry.cache_write_cost_usd is not None:
        told = told._replace(write=Fraction(entry.cache_write_cost_usd) * _PICO / entry.write)
    return told
