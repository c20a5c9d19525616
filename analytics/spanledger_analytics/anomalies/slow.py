"""What shows over days, and what is missing: daily totals, slow growth, silence, counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spanledger_analytics.anomalies import counts, creep
from spanledger_analytics.anomalies.baseline import DAYS, Floats, Track
from spanledger_analytics.anomalies.cells import HOUR_S
from spanledger_analytics.anomalies.rarity import RARE_BITS, Levels
from spanledger_analytics.anomalies.series import DAY_HOURS, Grid
from spanledger_analytics.anomalies.signals import Signal, runs
from spanledger_analytics.anomalies.windows import to_log, to_usd

DAY_S = DAY_HOURS * HOUR_S


@dataclass(frozen=True, slots=True)
class SlowLimits:
    """When days, silence or counts are told.

    Attributes:
        z: least deviation of a day.
        excess_usd: least dollars above what is expected.
        excess_ratio: the same, as a share of it.
        least_days: of history; fewer tell nothing.
        creep_ratio: least growth that is told of as slow growth.
        quiet_hours: hours in a row that are almost silent.
        quiet_z: deviation of such an hour; negative.
        quiet_usd: least dollars that were expected of them.
        count_p: largest probability of a count that is told.
        count_ratio: least ratio to what is expected.
    """

    z: float = 4.5
    excess_usd: float = 5.0
    excess_ratio: float = 0.2
    least_days: int = 14
    creep_ratio: float = 0.15
    quiet_hours: int = 3
    quiet_z: float = -5.0
    quiet_usd: float = 5.0
    quiet_ratio: float = 0.1
    count_p: float = 1e-4
    count_ratio: float = 2.0
    count_hours: int = 2
    look_back_days: int = 5


LIMITS = SlowLimits()


def days(seen: Grid, last: int, limits: SlowLimits = LIMITS) -> Iterator[Signal]:
    """Yield whole UTC days that cost too much, and growth that goes on day by day.

    Args:
        seen: amounts by hour.
        last: the hour that runs; its day is left out.
        limits: when to say so.
    """
    first_s, cost = _by_day(seen, seen.cost_usd, last)
    if cost.shape[1] <= limits.least_days:
        return
    tracked = Track(to_log(cost), DAYS).run()
    should = to_usd(tracked.expected)
    is_odd = (
        (tracked.z >= limits.z)
        & (cost - should >= np.maximum(limits.excess_usd, limits.excess_ratio * should))
        & (tracked.seen >= limits.least_days)
    )
    is_odd[:, : -limits.look_back_days] = False
    for row, key in enumerate(seen.keys):
        for start, end in runs(is_odd[row], 1):
            span = slice(start, end)
            yield Signal(
                key=key,
                code="spike",
                start_s=first_s + start * DAY_S,
                end_s=first_s + end * DAY_S,
                is_open=end == cost.shape[1],
                actual_usd=float(cost[row, span].sum()),
                expected_usd=float(should[row, span].sum()),
                z=float(tracked.z[row, span].max()),
                unit="day",
            )
    yield from _creeping(seen, first_s, cost, tracked, "", limits)
    for unit, amounts in (("call", seen.calls), ("trace", seen.traces)):
        yield from _unit_creep(seen, first_s, cost, _by_day(seen, amounts, last)[1], unit, limits)


def _unit_creep(
    seen: Grid, first_s: int, cost: Floats, units: Floats, unit: str, limits: SlowLimits
) -> Iterator[Signal]:
    is_told = (units >= 20) & (cost > 0)
    value = np.where(is_told, np.log(np.where(is_told, cost, 1.0) / np.maximum(units, 1.0)), np.nan)
    tracked = Track(value, DAYS).run()
    yield from _creeping(seen, first_s, cost, tracked, unit, limits, np.maximum(units, 0))


def _creeping(
    seen: Grid,
    first_s: int,
    cost: Floats,
    tracked: Track,
    unit: str,
    limits: SlowLimits,
    units: Floats | None = None,
) -> Iterator[Signal]:
    """Yield growth that has added up, since the day it began."""
    is_known = tracked.seen >= limits.least_days
    sums = creep.cumulative(np.where(is_known, tracked.z, np.nan))
    for row in np.flatnonzero(sums[:, -1] > creep.LIMIT):
        zeros = np.flatnonzero(sums[row] == 0)
        start = int(zeros[-1]) + 1 if len(zeros) else 0
        if sums.shape[1] - start < 3:
            continue  # a day or two are a step, which is found by itself
        should = tracked.expected[row, start:] - tracked.level[row, start:]
        should = should + tracked.level[row, start]
        usd = to_usd(should) if units is None else np.exp(should) * units[row, start:]
        actual, expected = cost[row, start:], np.nan_to_num(usd)
        grown = actual[-2:].sum() / max(float(expected[-2:].sum()), 1e-9) - 1
        excess = float(actual.sum() - expected.sum())
        if grown < limits.creep_ratio or excess < limits.excess_usd:
            continue
        yield Signal(
            key=seen.keys[row],
            code="creep",
            start_s=first_s + start * DAY_S,
            end_s=first_s + cost.shape[1] * DAY_S,
            is_open=True,
            actual_usd=float(actual.sum()),
            expected_usd=float(expected.sum()),
            z=float(sums[row, -1]),
            unit=unit,
        )


def _by_day(seen: Grid, amounts: Floats, last: int) -> tuple[int, Floats]:
    """Return when the first whole UTC day begins, and sums by day; NaN: a day without any hour."""
    skip = -seen.first_s % DAY_S // HOUR_S
    whole = max(0, (last - skip) // DAY_HOURS)
    part = amounts[:, skip : skip + whole * DAY_HOURS].reshape(len(amounts), whole, DAY_HOURS)
    is_gap = np.isnan(part).sum(axis=2) > DAY_HOURS // 6
    return seen.first_s + skip * HOUR_S, np.where(is_gap, np.nan, np.nansum(part, axis=2))


def quiet(seen: Grid, tracked: Track, last: int, limits: SlowLimits = LIMITS) -> Iterator[Signal]:
    """Yield hours in a row in which almost nothing came of what should have come."""
    should = to_usd(tracked.expected[:, :last])
    cost = np.nan_to_num(seen.cost_usd[:, :last])
    z = (to_log(cost) - tracked.expected[:, :last]) / tracked.scale[:, :last]
    is_odd = (z <= limits.quiet_z) & (cost <= limits.quiet_ratio * should)
    is_odd &= tracked.seen[:, :last] >= limits.least_days * DAY_HOURS
    is_odd[:, : -limits.look_back_days * DAY_HOURS] = False
    for row, key in enumerate(seen.keys):
        if key.dimension not in ("project", "agent", "service"):
            continue
        for start, end in runs(is_odd[row], 1):
            missing = float(should[row, start:end].sum())
            if end - start < limits.quiet_hours or missing < limits.quiet_usd:
                continue
            yield Signal(
                key=key,
                code="quiet",
                start_s=seen.first_s + start * HOUR_S,
                end_s=seen.first_s + end * HOUR_S,
                is_open=end == last,
                actual_usd=float(cost[row, start:end].sum()),
                expected_usd=missing,
                z=float(z[row, start:end].min()),
            )


def many_calls(
    seen: Grid, tracked: Track, last: int, limits: SlowLimits = LIMITS
) -> Iterator[Signal]:
    """Yield hours in a row with too many calls, whatever they cost, if so many were rare before."""
    calls = seen.calls[:, :last]
    mean = np.nan_to_num(np.expm1(tracked.expected[:, :last]))
    variance = mean + (tracked.scale[:, :last] * mean) ** 2
    is_large = (calls >= 20) & (calls >= limits.count_ratio * mean) & (tracked.z[:, :last] >= 3)
    is_large &= tracked.seen[:, :last] >= limits.least_days * DAY_HOURS
    is_odd = np.zeros(calls.shape, bool)
    first = max(0, last - limits.look_back_days * DAY_HOURS)
    for hour in range(first, last):
        rows = np.flatnonzero(is_large[:, hour])
        p = np.full(len(calls), np.nan)
        p[tracked.seen[:, hour] > 0] = 1.0
        for odd in rows:
            p[odd] = counts.tail(int(calls[odd, hour]), mean[odd, hour], variance[odd, hour])
        is_odd[:, hour] = counts.discoveries(p) & (p < limits.count_p)
    for row, key in enumerate(seen.keys):
        for start, end in runs(is_odd[row], 1):
            if end - start < limits.count_hours or not _is_news(tracked, row, start, end, first):
                continue
            cost = float(np.nansum(seen.cost_usd[row, start:end]))
            share = float(mean[row, start:end].sum() / calls[row, start:end].sum())
            yield Signal(
                key=key,
                code="calls",
                start_s=seen.first_s + start * HOUR_S,
                end_s=seen.first_s + end * HOUR_S,
                is_open=end >= last - 1,
                actual_usd=cost,
                expected_usd=cost * share,
                z=float(tracked.z[row, start:end].max()),
            )


def _is_news(tracked: Track, row: int, start: int, end: int, first: int) -> bool:
    """Return whether such a level, or such a deviation, was rare before the days looked at.

    What began within these days is still news on its third day.
    """
    known = ~np.isnan(tracked.values[row])
    known[first:] = False
    for series in (tracked.values[row], tracked.values[row] - tracked.expected[row]):
        most = float(np.nanmax(series[start:end]))
        if Levels(np.nan_to_num(series[known]).tolist()).bits(most) >= RARE_BITS:
            return True
    return False
