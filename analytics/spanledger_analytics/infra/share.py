"""What an hour of a service costs, and whose share of it that is; pure, whole picodollars.

A service is used while any of its spans runs. The part of the hour in which it was used is shared
over the traces by the time each used it (largest remainder method); the rest is a line of its own.
A price that begins or ends within an hour counts for its part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

from spanledger_analytics._rows import HOUR_NS
from spanledger_analytics.gpu_cost.arithmetic import divided
from spanledger_storage.service_price_rows import InfraPriceRow

_PICODOLLARS = 10**12
_LAST_NS = 2**63 - 1


class Stretch(NamedTuple):
    """A part of an hour in which one price holds; UTC nanoseconds, half open."""

    price: InfraPriceRow
    start_ns: int
    end_ns: int

    @property
    def picodollars(self) -> int:
        """What the service costs in it, rounded half to even."""
        usd = Fraction(self.price.usd_per_hour) * (self.end_ns - self.start_ns) / HOUR_NS
        return round(usd * _PICODOLLARS)


class Use(NamedTuple):
    """How a service was used in a stretch: ``used_ns`` by anybody, and by each trace."""

    used_ns: int
    by_trace: Mapping[str, int]


class Shares(NamedTuple):
    """Picodollars by trace, and what nobody used; together the cost of the stretch."""

    by_trace: Mapping[str, int]
    unused: int


def stretches(prices: Iterable[InfraPriceRow], hour_ns: int) -> list[Stretch]:
    """Return the stretches of an hour (its start, UTC nanoseconds) in which prices hold."""
    found: list[Stretch] = []
    for price in prices:
        end = _LAST_NS if price.effective_to_ns is None else price.effective_to_ns
        start_ns, end_ns = max(hour_ns, price.effective_from_ns), min(hour_ns + HOUR_NS, end)
        if price.withdrawn_at_ns is None and start_ns < end_ns:
            found.append(Stretch(price, start_ns, end_ns))
    return sorted(found, key=lambda s: (s.price.service_name, s.start_ns, s.price.id))


def share(stretch: Stretch, use: Use) -> Shares:
    """Return who pays what for a stretch; the amounts add up to what it costs."""
    length = stretch.end_ns - stretch.start_ns
    used_ns = min(use.used_ns, length)
    used, unused = divided(stretch.picodollars, [used_ns, length - used_ns])
    traces = sorted(trace for trace, active_ns in use.by_trace.items() if active_ns > 0)
    amounts = divided(used, [use.by_trace[trace] for trace in traces])
    return Shares(dict(zip(traces, amounts, strict=True)), unused + used - sum(amounts))
