"""Which series are watched, and their amounts as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spanledger_analytics.anomalies.baseline import Floats
from spanledger_analytics.anomalies.cells import DIMENSIONS, Cells, Key

LEAST_USD_PER_DAY = 1.0
MOST_SERIES = 300
DAY_HOURS = 24
_WEEK_HOURS = 7 * DAY_HOURS

PROJECT = Key("project", "")


@dataclass(frozen=True, slots=True)
class Grid:
    """Amounts of the series that are watched, by hour.

    Attributes:
        keys: of the rows, the project first.
        cost_usd: series by hours; NaN before the first spending of a series and where nothing at
            all was received.
        calls: the same of model calls.
        traces: the same of traces that began.
        first_s: when the first hour begins, unix seconds.
    """

    keys: tuple[Key, ...]
    cost_usd: Floats
    calls: Floats
    traces: Floats
    first_s: int

    def part(self, first: int) -> Grid:
        """Return the series from one on."""
        rows = slice(first, None)
        return Grid(
            self.keys[rows],
            self.cost_usd[rows],
            self.calls[rows],
            self.traces[rows],
            self.first_s,
        )


def watched(hours: Cells) -> tuple[Key, ...]:
    """Return the series that spend a dollar a day or more, the largest ones first.

    Over the last week or the last day, so that a new series counts at once.
    """
    found: list[tuple[float, Key]] = []
    cost = hours.amounts[0, : len(hours.leaves)]
    week, day = cost[:, -_WEEK_HOURS:].sum(axis=1) / 7, cost[:, -DAY_HOURS - 1 :].sum(axis=1)
    for dimension in DIMENSIONS:
        by_name: dict[str, list[int]] = {}
        for place, leaf in enumerate(hours.leaves):
            name = "" if dimension == "project" else str(getattr(leaf, dimension))
            if name or dimension == "project":
                by_name.setdefault(name, []).append(place)
        for name, places in by_name.items():
            usd = max(float(week[places].sum()), float(day[places].sum()))
            if usd >= LEAST_USD_PER_DAY:
                found.append((usd, Key(dimension, name)))
    found.sort(key=lambda one: (one[1] != PROJECT, -one[0], one[1]))
    return tuple(key for _, key in found[:MOST_SERIES])


def grid(hours: Cells, keys: tuple[Key, ...]) -> Grid:
    """Return the amounts of series by hour."""
    members = [hours.members(key) for key in keys]
    measures = [
        np.stack([hours.amounts[measure, places].sum(axis=0) for places in members])
        if keys
        else np.zeros((0, hours.steps))
        for measure in range(3)
    ]
    cost, calls, traces = measures
    is_silent = (hours.amounts[:2].sum(axis=(0, 1)) == 0)[None, :]
    begun = np.cumsum((cost != 0) | (calls != 0), axis=1) > 0
    cost = np.where(begun & ~is_silent, cost, np.nan)
    return Grid(keys, cost, calls, traces, hours.first_s)
