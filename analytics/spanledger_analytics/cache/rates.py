"""The rates of one call's input: plain, read from the cache, written to it; and what they make.

Prices are those of the ledger's entry: its own price id and contract, not whatever the book says
today. Everything is exact: fractions of picodollars until the sum, then rounded half to even.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from spanledger_analytics.cache.calls import CacheEntry
from spanledger_analytics.entry_prices import usd
from spanledger_analytics.price_book.book import PriceBook, PriceKey
from spanledger_analytics.price_book.rates import ContextPrices, Price

_PICO = 10**12


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
        return _ratio(rate, self.input) if self.input else None


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


def hour_pays_above(read: Fraction, short: Fraction, long: Fraction) -> Fraction | None:
    """Return the share of pauses that must end within the hour for the long lifetime to pay.

    Of pauses longer than the short lifetime: (w_1h - w_5m) / (w_5m - r).
    """
    return (long - short) / (short - read) if short > read else None


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
    factor = Fraction(1)
    if found.discount:
        factor = Fraction(found.discount.numerator, found.discount.denominator)
    rates = _rates(entry, price, factor)
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
    audio = min(entry.cache_read_audio_tokens or 0, entry.read)
    plain_read = (entry.read - audio) * rates.input + audio * rates.audio_input
    plain_write = entry.write * rates.input
    paid_read = _pico(entry.cache_read_cost_usd, entry.read * rates.read)
    paid_write = _pico(entry.cache_write_cost_usd, entry.write * rates.write)
    full = _pico(entry.uncached_cost_usd, entry.uncached * rates.input) + plain_read + plain_write
    return Money(dollars(full), dollars(plain_read - paid_read), dollars(paid_write - plain_write))


def lost_usd(entry: CacheEntry, rates: Rates, lost_tokens: int) -> Decimal:
    """Return what tokens cost beyond a cache read: as writes, as far as the call wrote any."""
    written = min(lost_tokens, entry.write)
    plain = lost_tokens - written
    return dollars(written * (rates.write - rates.read) + plain * (rates.input - rates.read))


def dollars(picodollars: Fraction) -> Decimal:
    """Return dollars, rounded half to even to whole picodollars."""
    return usd(round(picodollars))


@lru_cache(maxsize=4_096)
def _ratio(rate: Fraction, other: Fraction) -> float:
    return float(rate / other)


@lru_cache(maxsize=4_096)
def _rate(value: int | None, scale: int, factor: Fraction) -> Fraction:
    return Fraction(value or 0, scale) * factor


def _rates(entry: CacheEntry, price: Price, factor: Fraction) -> Rates:
    def rate(value: int | None) -> Fraction:
        return _rate(value, price.scale, factor)

    short, long = entry.cache_write_5m_tokens or 0, entry.cache_write_1h_tokens or 0
    rest = entry.write - short - long
    write = rate(price.cache_write_5m)
    if entry.write and rest >= 0:
        total = (
            rest * rate(price.cache_write)
            + short * rate(price.cache_write_5m)
            + long * rate(price.cache_write_1h)
        )
        write = total / entry.write
    return Rates(
        rate(price.input),
        rate(price.audio_input),
        rate(price.cache_read),
        write,
        rate(price.cache_write_5m),
        rate(price.cache_write_1h),
    )


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


def _pico(stored: Decimal | None, computed: Fraction) -> Fraction:
    return computed if stored is None else Fraction(stored) * _PICO
