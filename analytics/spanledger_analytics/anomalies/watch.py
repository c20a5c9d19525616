"""Looks at all series of a project: what they should be, and which times are too much."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from spanledger_analytics.anomalies import slow, unit_cost, windows
from spanledger_analytics.anomalies.baseline import HOURS, Bools, Floats, Track
from spanledger_analytics.anomalies.cells import (
    FINE_PER_HOUR,
    FINE_S,
    HOUR_S,
    KEEP_FINE,
    KEEP_HOURS,
    Cells,
    Key,
    Row,
)
from spanledger_analytics.anomalies.series import Grid, grid, watched
from spanledger_analytics.anomalies.signals import Signal, runs

FULL_HISTORY = 14 * 24
FIRST_WEEK = 7 * 24
"""Hours before which no weekday has been seen twice."""
_USUAL_DAYS = 28
_FINE_HOURS = KEEP_FINE // FINE_PER_HOUR
_GAP = 3 * FINE_PER_HOUR  # so long within limits ends it
_DAY_S = 24 * HOUR_S


class Watch:
    """The history of one project in memory, and what is expected of it."""

    def __init__(self) -> None:
        self.fine = Cells(FINE_S, KEEP_FINE)
        self.hours = Cells(HOUR_S, KEEP_HOURS)
        self.keys: tuple[Key, ...] = ()
        self._accepted: Mapping[Key, int] = {}
        self._tracks: Tracks | None = None
        self._outlook: _Outlook | None = None
        self._dirty_s = 0
        self._slow: list[Signal] = []

    def accept(self, since_s: Mapping[Key, int]) -> None:
        """Take it that series are as they should be since a time, as somebody says."""
        if since_s != self._accepted:
            self._accepted, self._tracks, self._outlook = dict(since_s), None, None

    def advance(self, now_s: int) -> None:
        """Move on with the clock; before ``put``."""
        self.fine.advance(now_s)
        self.hours.advance(now_s)

    def put(self, hours: Collection[int], rows: Iterable[Row]) -> None:
        """Replace what is known of hours (by unix second); rows are of five minutes or of hours."""
        kept = list(rows)
        for hour_s in hours:
            self.hours.clear(hour_s, hour_s + HOUR_S)
            self.fine.clear(hour_s, hour_s + HOUR_S)
        self.hours.put(row._replace(start_s=row.start_s // HOUR_S * HOUR_S) for row in kept)
        self.fine.put(kept)
        self._dirty_s = min(self._dirty_s, *hours, self.hours.end_s)

    def look(self, now_s: int) -> list[Signal]:
        """Return what is too much, or too quiet, in the last days, by series and time."""
        self.advance(now_s)
        hour_s = now_s // HOUR_S * HOUR_S
        if self._outlook is None or self._outlook.hour_s != hour_s or self._dirty_s < hour_s:
            self._outlook = self._see(hour_s)
            self._dirty_s = hour_s
        return [*self._outlook.signals(self.fine, now_s), *self._slow]

    def _see(self, hour_s: int) -> _Outlook:
        """Expect the hour that runs; the long part, once an hour."""
        new = tuple(key for key in watched(self.hours) if key not in set(self.keys))
        self.keys = (*self.keys, *new)
        seen = grid(self.hours, self.keys)
        if self._tracks is None:
            self._tracks = Tracks(seen, self._accepted)
        else:
            first = (self._dirty_s - self.hours.first_s) // HOUR_S
            self._tracks.follow(seen, max(0, min(first, self.hours.steps - 2)))
        fine = _fine_costs(self.fine, self.keys)
        lump_usd = windows.lumps(fine[:, :-FINE_PER_HOUR])
        outlook = _outlook(hour_s, seen, self._tracks.cost, lump_usd)
        flags = windows.flag(fine, outlook.over(self.fine))
        is_odd = _by_hour(flags, self.fine, self.hours)
        if self._tracks.cost.freeze(is_odd):  # once more, without learning from what is too much
            outlook = _outlook(hour_s, seen, self._tracks.cost, lump_usd)
        self._slow = self._tracks.slow(seen)
        return outlook


class Tracks:
    """What is expected of each series by hour: dollars, calls, dollars per call and per trace."""

    def __init__(self, seen: Grid, accepted: Mapping[Key, int]) -> None:
        self._first_s = seen.first_s
        self._accepted = accepted
        self.cost, self.calls, self.units = _tracks(seen, accepted)

    def follow(self, seen: Grid, first: int) -> None:
        """Go on to newer hours, from the first one that changed; add series that are new."""
        old = len(self.cost.values)
        value, calls, units = _values(seen)
        moved = (seen.first_s - self._first_s) // HOUR_S
        self._first_s = seen.first_s
        if moved < 0 or moved >= self.cost.steps:
            self.cost, self.calls, self.units = _tracks(seen, self._accepted)
            return
        told = ((self.cost, value, None), (self.calls, calls, None))
        for track, values, weights in (*told, *((t, *units[n]) for n, t in self.units.items())):
            track.forward(moved)
            track.values[:, first:] = values[:old, first:]
            if weights is not None:
                track.weights[:, first:] = weights[:old, first:]
            track.frozen[:, first:] &= ~np.isnan(track.values[:, first:])
            track.run(first)
        if len(seen.keys) > old:
            more = _tracks(seen.part(old), self._accepted)
            self.cost.append(more[0])
            self.calls.append(more[1])
            for name, track in self.units.items():
                track.append(more[2][name])

    def slow(self, seen: Grid) -> list[Signal]:
        """Return what shows by hours and days."""
        last = seen.cost_usd.shape[1] - 1
        return [
            *unit_cost.signals(seen, last, self.units),
            *slow.days(seen, last),
            *slow.quiet(seen, self.cost, last),
            *slow.many_calls(seen, self.calls, last),
        ]


def _values(seen: Grid) -> tuple[Floats, Floats, dict[str, tuple[Floats, Floats]]]:
    """Return what is tracked; of the hour that runs nothing is known."""
    value = windows.to_log(seen.cost_usd)
    calls = np.log1p(np.where(np.isnan(seen.cost_usd), np.nan, seen.calls))
    units = {name: unit_cost.values(seen, name) for name in unit_cost.UNITS}
    for array in (value, calls, *(one for one, _ in units.values())):
        array[:, -1] = np.nan
    return value, calls, units


def _tracks(seen: Grid, accepted: Mapping[Key, int]) -> tuple[Track, Track, dict[str, Track]]:
    held = {
        row: (accepted[key] - seen.first_s) // HOUR_S
        for row, key in enumerate(seen.keys)
        if key in accepted
    }
    value, calls, told = _values(seen)
    cost, count = Track(value, HOURS), Track(calls, HOURS)
    units = {name: Track(one, unit_cost.GRAIN, weights) for name, (one, weights) in told.items()}
    for track in (cost, count, *units.values()):
        track.accepted = held
        track.run()
    return cost, count, units


@dataclass(frozen=True, slots=True)
class _Outlook:
    """What is expected up to the end of the hour that runs.

    Attributes:
        hour_s: the start of that hour.
        keys: of the rows.
        expected: of five minutes each.
    """

    hour_s: int
    keys: tuple[Key, ...]
    expected: windows.Expected

    def over(self, fine: Cells) -> windows.Expected:
        """Return the part of what is expected that the fine steps cover."""
        start = (fine.first_s - (self.hour_s - _FINE_HOURS * HOUR_S)) // FINE_S
        span = slice(start, start + fine.steps)
        own = self.expected
        return replace(
            own,
            usd=own.usd[:, span],
            scale=own.scale[:, span],
            usual_usd=own.usual_usd[:, span],
            is_young=own.is_young[:, span],
        )

    def signals(self, fine: Cells, now_s: int) -> list[Signal]:
        """Return what is odd, with what the hour that runs says so far."""
        cost, expected = _fine_costs(fine, self.keys), self.over(fine)
        flags = windows.flag(cost, expected)
        found: list[Signal] = []
        for row in np.flatnonzero(flags.is_odd.any(axis=1)):
            for start, end in runs(flags.is_odd[row], _GAP):
                span, ends = slice(start, end), slice(start, end + max(windows.LIMITS.windows))
                excess_usd = float(cost[row, span].sum() - np.nansum(expected.usd[row, span]))
                if excess_usd < windows.LIMITS.excess_usd:
                    continue  # what stands out within a longer time is less
                found.append(
                    Signal(
                        key=self.keys[row],
                        code="spike",
                        start_s=fine.first_s + start * FINE_S,
                        end_s=min(now_s, fine.first_s + end * FINE_S),
                        is_open=end > cost.shape[1] - _GAP,
                        actual_usd=float(cost[row, span].sum()),
                        expected_usd=float(np.nansum(expected.usd[row, span])),
                        z=float(flags.z[row, ends].max()),
                        is_sure=not bool(expected.is_young[row, start]),
                    )
                )
        return found


def _fine_costs(fine: Cells, keys: tuple[Key, ...]) -> Floats:
    """Return the cost of each series in the five minutes that are kept."""
    if not keys:
        return np.zeros((0, fine.steps))
    return np.stack([fine.of(key, "cost_usd") for key in keys])


def _outlook(hour_s: int, seen: Grid, hourly: Track, lump_usd: Floats) -> _Outlook:
    """Return what is expected of each five minutes of the last days, as shares of hours."""
    recent = slice(seen.cost_usd.shape[1] - _FINE_HOURS - 1, None)
    scale = hourly.scale[:, recent]
    is_new = hourly.seen[:, recent] < FIRST_WEEK
    scale = np.where(is_new, np.maximum(scale, windows.LIMITS.new_scale), scale)  # NaN stays
    usual = _usual(np.where(np.abs(hourly.z) >= HOURS.learn_z, np.nan, seen.cost_usd))
    is_young = hourly.seen[:, recent] < FULL_HISTORY
    expected = windows.Expected(
        usd=np.repeat(windows.to_usd(hourly.expected[:, recent]), FINE_PER_HOUR, 1) / FINE_PER_HOUR,
        scale=np.repeat(scale, FINE_PER_HOUR, 1),
        usual_usd=np.repeat(usual, FINE_PER_HOUR, 1) / FINE_PER_HOUR,
        lump_usd=lump_usd,
        is_young=np.repeat(is_young, FINE_PER_HOUR, 1),
    )
    return _Outlook(hour_s, seen.keys, expected)


def _usual(cost: Floats) -> Floats:
    """Return the second most of each recent hour in the weeks before, an hour more or less."""
    hours = cost.shape[1]
    recent = np.arange(hours - _FINE_HOURS - 1, hours)
    back = [24 * day + side for day in range(1, _USUAL_DAYS + 1) for side in (-1, 0, 1)]
    places = recent[:, None] - np.array(back)[None, :]
    before = np.where(places >= 0, np.nan_to_num(cost)[:, places.clip(0)], 0.0)
    return np.partition(before, -2, axis=2)[:, :, -2]


def _by_hour(flags: windows.Flags, fine: Cells, hours: Cells) -> Bools:
    """Return the hours that any flagged five minutes are in; series by hours."""
    found = np.zeros((len(flags.is_odd), hours.steps), bool)
    columns = (fine.times() - hours.first_s) // HOUR_S
    rows, steps = np.nonzero(flags.is_odd)
    found[rows, columns[steps]] = True
    return found
