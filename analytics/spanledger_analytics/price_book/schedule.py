"""The prices of one kind of call over time: the price data, own rates and contracts together."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from spanledger_analytics.price_book.base import BaseModel, BaseRates, Steps
from spanledger_analytics.price_book.overrides import Contract, Rate
from spanledger_analytics.price_book.own import (
    FittingRate,
    OwnPrices,
    changes_ns,
    discount_of,
    holds,
)
from spanledger_analytics.price_book.rates import CLASSES, PICODOLLARS, ContextPrices, Price

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NS_PER_DAY = 86_400 * 10**9
_FIRST_NS, _LAST_NS = -(2**63), 2**63 - 1

Choice = Fraction | Rate
"""A class's rate: picodollars of the price data, or an own rate."""


class Schedule:
    """Prices of one provider, model, region and service tier over time.

    Time is cut into segments in which nothing changes: by dates and instants, and within a day by
    times of day. ``codes`` finds the segments of many instants at once, ``segment`` tells what
    holds in one.

    Args:
        label: Names price data and model in price ids.
        base: The model in the price data, None when they lack it.
        own: Own rates for this kind of call, the best first.
        contracts: Contracts for it, the best first.
        prices: Knows the exchange rates.
        absence: What to say while there is no rate at all.
    """

    def __init__(
        self,
        label: str,
        base: BaseModel | None,
        own: Sequence[FittingRate],
        contracts: Sequence[Contract],
        prices: OwnPrices,
        absence: str,
    ) -> None:
        self._label = label
        self._base = base
        self._own = own
        self._contracts = contracts
        self._prices = prices
        self._absence = absence
        self._changes = np.array(sorted(self._changes_ns()), dtype=np.int64)
        times = base.times_of_day_ns() if base else set[int]()
        self._times_of_day = np.array(sorted(times), dtype=np.int64)
        self._change_times: list[int] = self._changes.tolist()
        self._day_times: list[int] = self._times_of_day.tolist()
        self._segments: dict[int, ContextPrices] = {}
        self._by_id: dict[str, Price] = {}

    def codes(self, time_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the code of the segment in which each instant lies (UTC nanoseconds)."""
        periods = np.searchsorted(self._changes, time_ns, side="right").astype(np.int64)
        if not self._times_of_day.size:
            return periods
        in_day = np.searchsorted(self._times_of_day, time_ns % _NS_PER_DAY, side="right")
        return periods * (self._times_of_day.size + 1) + in_day

    def segment(self, code: int) -> ContextPrices:
        """Return what holds in a segment."""
        found = self._segments.get(code)
        if found is None:
            found = self._segments[code] = self._prices_in(code)
        return found

    def at(self, time_ns: int) -> ContextPrices:
        """Return what holds at one instant: as ``codes``, which is dear for a single one."""
        period = bisect_right(self._change_times, time_ns)
        if not self._day_times:
            return self.segment(period)
        in_day = bisect_right(self._day_times, time_ns % _NS_PER_DAY)
        return self.segment(period * (len(self._day_times) + 1) + in_day)

    def period_ns(self, time_ns: int) -> tuple[int | None, int | None]:
        """Return the instants around one between which the price data keep one price.

        None: as long as they know, and open.
        """
        changes = sorted(self._base.changes_ns()) if self._base else []
        place = bisect_right(changes, time_ns)
        first = changes[place - 1] if place else None
        return first, changes[place] if place < len(changes) else None

    def choices(self, time_ns: int, start: int) -> dict[str, tuple[Choice, bool]]:
        """Return each class's rate for requests just above ``start`` tokens.

        The second of each pair tells whether it is the service tier's own.
        """
        base = self._base.at(time_ns, time_ns % _NS_PER_DAY) if self._base else _NOTHING
        return _choices(base, self._own_at(time_ns), start)

    def _changes_ns(self) -> Iterable[int]:
        changes = changes_ns([fitting.rate for fitting in self._own])
        changes |= changes_ns(self._contracts)
        for currency in {fitting.rate.currency for fitting in self._own}:
            changes.update(self._prices.exchange_changes_ns(currency))
        if self._base:
            changes |= self._base.changes_ns()
        return (change for change in changes if _FIRST_NS <= change <= _LAST_NS)

    def _prices_in(self, code: int) -> ContextPrices:
        times: list[int] = self._times_of_day.tolist()
        period, in_day = divmod(code, len(times) + 1)
        time_ns = int(self._changes[period - 1]) if period else self._before_all()
        time_of_day_ns = times[in_day - 1] if in_day else 0
        base = self._base.at(time_ns, time_of_day_ns) if self._base else _NOTHING
        own = self._own_at(time_ns)
        starts = sorted({-1} | _starts(base, own))
        bands = tuple(self._band(base, own, start, time_ns) for start in starts)
        if len(bands) == 1 and bands[0].is_empty:
            return ContextPrices((), (), absence=self._absence)
        contract = next((c for c in self._contracts if holds(c, time_ns)), None)
        discount = None if contract is None else discount_of(contract)
        return ContextPrices(tuple(starts), bands, discount)

    def _before_all(self) -> int:
        return int(self._changes[0]) - 1 if self._changes.size else 0

    def _own_at(self, time_ns: int) -> list[FittingRate]:
        return [fitting for fitting in self._own if holds(fitting.rate, time_ns)]

    def _band(self, base: BaseRates, own: Sequence[FittingRate], start: int, time_ns: int) -> Price:
        """Return the price of requests just above ``start`` tokens."""
        rates: dict[str, Fraction | None] = {}
        used: set[int] = set()
        exchanged: set[str] = set()
        for name, (choice, _) in _choices(base, own, start).items():
            if isinstance(choice, Fraction):
                rates[name] = choice
                continue
            used.add(choice.id)
            rates[name], exchange = self._converted(choice, time_ns)
            exchanged.add(exchange)
        price_id = f"{self._label}@{base.label}" if base.label else self._label
        price_id += f">{start}" if start >= 0 else ""
        if used:
            price_id += "+own:" + ",".join(map(str, sorted(used)))
        price_id += "".join(sorted(f"+{exchange}" for exchange in exchanged if exchange))
        return self._by_id.setdefault(price_id, Price.of(price_id, rates))

    def _converted(self, rate: Rate, time_ns: int) -> tuple[Fraction | None, str]:
        """Return picodollars per token or piece, and the exchange rate used."""
        pico = Fraction(rate.price) * PICODOLLARS / rate.per
        currency = rate.currency.upper()
        if currency == "USD":
            return pico, ""
        exchange = self._prices.exchange_rate(currency, time_ns)
        if exchange is None:
            return None, f"{currency}?"
        label = f"{currency}@{_moment_label(exchange.effective_from_ns)}"
        return pico * Fraction(exchange.usd), label


_NOTHING = BaseRates("", {}, {})


def _starts(base: BaseRates, own: Sequence[FittingRate]) -> set[int]:
    steps = (*base.standard.values(), *base.variant.values())
    return {start for rates in steps for start, _ in rates} | {
        fitting.rate.above_tokens for fitting in own if fitting.rate.above_tokens
    }


def _choices(
    base: BaseRates, own: Sequence[FittingRate], start: int
) -> dict[str, tuple[Choice, bool]]:
    """Return each class's rate; own before the data, the tier's before the standard tier's."""
    tier = _best([fitting for fitting in own if fitting.tier], start)
    standard = _best([fitting for fitting in own if not fitting.tier], start)
    found: dict[str, tuple[Choice, bool]] = {}
    for name in CLASSES:
        if name in tier:
            found[name] = tier[name], True
        elif name in base.variant:
            found[name] = _step(base.variant[name], start), True
        elif name in standard:
            found[name] = standard[name], False
        elif name in base.standard:
            found[name] = _step(base.standard[name], start), False
    return found


def _best(own: Sequence[FittingRate], start: int) -> Mapping[str, Rate]:
    found: dict[str, Rate] = {}
    for fitting in own:  # the best first
        rate = fitting.rate
        if not rate.above_tokens or rate.above_tokens <= start:
            found.setdefault(rate.token_class, rate)
    return found


def _step(steps: Steps, start: int) -> Fraction:
    return next(rate for above, rate in reversed(steps) if above <= start)


def _moment_label(time_ns: int) -> str:
    moment = datetime.fromtimestamp(time_ns // 10**9, UTC)
    if time_ns % _NS_PER_DAY == 0:
        return moment.date().isoformat()
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ns % 10**9:09d}Z"
