"""Dollars per call and per trace: dearer at the same volume, which totals hide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from spanledger_analytics.anomalies.baseline import HOURS, Bools, Floats, Ints, Track
from spanledger_analytics.anomalies.cells import HOUR_S
from spanledger_analytics.anomalies.series import Grid
from spanledger_analytics.anomalies.signals import Signal, runs

UNITS = ("call", "trace")
GRAIN = replace(HOURS, alpha=0.05, warm_up=48)
_MOST_WEIGHT = 5.0


@dataclass(frozen=True, slots=True)
class UnitLimits:
    """When dollars per unit are too many.

    Attributes:
        windows: in hours.
        z: least deviation; ``young_z`` with less than two weeks of history.
        new_scale: least scale of the logarithm in the first week, in which nobody knows yet what a
            unit costs by night or at the weekend: three times as much is told.
        excess_usd: least dollars above what the same number of units should cost.
        excess_ratio: the same, as a share of that.
        least_units: of an hour; fewer tell nothing.
        least_scale: of the logarithm over a window.
        gap: hours within limits that end it.
    """

    windows: tuple[int, ...] = (1, 3, 6, 24)
    z: float = 5.0
    young_z: float = 8.0
    new_scale: float = 0.14
    excess_usd: float = 5.0
    excess_ratio: float = 0.15
    least_units: float = 5.0
    least_scale: float = 0.03
    gap: int = 3
    look_back: int = 120
    history: int = 672
    full_history: int = 336
    first_week: int = 168


LIMITS = UnitLimits()


def values(seen: Grid, unit: str, limits: UnitLimits = LIMITS) -> tuple[Floats, Floats]:
    """Return the logarithm of dollars per unit by hour, and how much less sure than usual it is."""
    units = _units(seen, unit)
    is_told = _told(seen, units, limits)
    cost = np.where(is_told, seen.cost_usd, 1.0)
    value = np.where(is_told, np.log(cost / np.maximum(units, 1.0)), np.nan)
    told = np.where(is_told, units, 0.0)
    mean = told.sum(axis=1) / np.maximum(is_told.sum(axis=1), 1)
    weights = np.sqrt(mean[:, None] / np.maximum(units, 1.0)).clip(1.0, _MOST_WEIGHT)
    return value, weights


def signals(
    seen: Grid, last: int, tracks: Mapping[str, Track], limits: UnitLimits = LIMITS
) -> Iterator[Signal]:
    """Yield where calls or traces cost more than they did, in the last days.

    Args:
        seen: amounts by hour.
        last: the hour that runs; it is left out.
        tracks: what is expected, by unit; what is too much is frozen in them.
        limits: when to say so.
    """
    for unit, tracked in tracks.items():
        units = _units(seen, unit)
        is_odd, z = _flagged(tracked, seen.cost_usd, units, limits)
        if tracked.freeze(is_odd):
            is_odd, z = _flagged(tracked, seen.cost_usd, units, limits)
        for row in np.flatnonzero(is_odd.any(axis=1)):
            should = np.exp(tracked.expected[row]) * units[row]
            one = _One(seen, int(row), unit, should, tracked.seen[row])
            yield from one.signals(is_odd[row], z[row], last, limits)


def _units(seen: Grid, unit: str) -> Floats:
    return seen.calls if unit == "call" else seen.traces


def _told(seen: Grid, units: Floats, limits: UnitLimits) -> Bools:
    return (units >= limits.least_units) & (np.nan_to_num(seen.cost_usd) > 0)


def _flagged(
    tracked: Track, cost: Floats, units: Floats, limits: UnitLimits
) -> tuple[Bools, Floats]:
    """Return which hours are too dear, and the largest deviation of a window ending there."""
    known = ~np.isnan(tracked.values) & ~np.isnan(tracked.expected) & ~np.isnan(tracked.scale)
    actual = np.where(known, cost, 0.0)
    expected = np.where(known, np.exp(np.where(known, tracked.expected, 0.0)) * units, 0.0)
    is_odd, most = np.zeros(cost.shape, bool), np.zeros(cost.shape)
    is_young, is_new = tracked.seen < limits.full_history, tracked.seen < limits.first_week
    for length in limits.windows:
        if cost.shape[1] <= length:
            continue
        a, e = _summed(actual, length), _summed(expected, length)
        ratio = np.where(
            (a > 0) & (e > 0), np.log(np.maximum(a, 1e-12) / np.maximum(e, 1e-12)), np.nan
        )
        scale = _scale(ratio[:, : -limits.look_back], limits)[:, None]
        scale = np.fmax(scale, tracked.scale / np.sqrt(length))
        z = np.nan_to_num(ratio / np.where(is_new, np.maximum(scale, limits.new_scale), scale))
        is_hit = (z >= np.where(is_young, limits.young_z, limits.z)) & (
            a - e >= np.maximum(limits.excess_usd, limits.excess_ratio * e)
        )
        is_hit[:, : -limits.look_back] = False
        most = np.where(is_hit, np.maximum(most, z), most)
        floor = np.where(is_hit, 0.5 * (a - e) / length, np.inf)
        ahead = np.stack([_shifted(floor, n) for n in range(length)]).min(axis=0)
        is_odd |= known & (actual - expected >= ahead)
    return is_odd, most


def _scale(ratio: Floats, limits: UnitLimits) -> Floats:
    """Return the scale of a window's logarithm, from the weeks before what is judged."""
    recent = np.sort(np.abs(ratio[:, -limits.history :]), axis=1)
    count = (~np.isnan(recent)).sum(axis=1)
    if recent.shape[1] == 0:
        return np.full(ratio.shape[0], limits.least_scale)
    middle = np.take_along_axis(recent, (count // 2).clip(0, recent.shape[1] - 1)[:, None], 1)[:, 0]
    place = (0.99 * count).astype(np.int64).clip(0, recent.shape[1] - 1)
    tail = np.take_along_axis(recent, place[:, None], 1)[:, 0] / 3.0
    return np.fmax(np.fmax(1.4826 * middle, tail), limits.least_scale)


def _summed(values: Floats, length: int) -> Floats:
    total = np.cumsum(values, axis=1)
    before = np.zeros_like(total)
    before[:, length:] = total[:, :-length]
    return total - before


def _shifted(values: Floats, by: int) -> Floats:
    """Return each step's value of ``by`` steps later."""
    if by == 0:
        return values
    later = np.full(values.shape, np.inf)
    later[:, :-by] = values[:, by:]
    return later


@dataclass(frozen=True, slots=True)
class _One:
    seen: Grid
    row: int
    unit: str
    should_usd: Floats
    age: Ints

    def signals(self, is_odd: Bools, z: Floats, last: int, limits: UnitLimits) -> Iterator[Signal]:
        """Yield the stretches of one series."""
        cost = np.nan_to_num(self.seen.cost_usd[self.row])
        for start, end in runs(is_odd, limits.gap):
            if end <= last - limits.look_back:
                continue
            span = slice(start, end)
            should = float(np.nansum(self.should_usd[span]))
            if float(cost[span].sum()) - should < limits.excess_usd:
                continue  # what stands out within a longer time is less
            yield Signal(
                key=self.seen.keys[self.row],
                code="unit_cost",
                start_s=self.seen.first_s + start * HOUR_S,
                end_s=self.seen.first_s + end * HOUR_S,
                is_open=end >= last - limits.gap,
                actual_usd=float(cost[span].sum()),
                expected_usd=should,
                z=float(z[start : end + max(limits.windows)].max()),
                is_sure=bool(self.age[start] >= limits.full_history),
                unit=self.unit,
            )
