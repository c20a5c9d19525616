"""Spending by time and by who spent it, in memory: what series are summed up from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from spanledger_analytics.anomalies.baseline import Floats, Ints

HOUR_S = 3_600
FINE_S = 300
FINE_PER_HOUR = HOUR_S // FINE_S
KEEP_HOURS = 42 * 24
KEEP_FINE = 5 * 24 * FINE_PER_HOUR
MOST_LEAVES = 1_000
MEASURES = ("cost_usd", "calls", "traces", "input_tokens", "cache_read_tokens", "output_tokens")
"""Traces are counted when they begin, of a leaf that has no model and no tool."""

DIMENSIONS = ("project", "agent", "model", "service", "team", "tool")


class Leaf(NamedTuple):
    """Who spent: the finest group that is kept; an empty name is not known, or does not apply."""

    agent: str = ""
    model: str = ""
    service: str = ""
    team: str = ""
    tool: str = ""


class Key(NamedTuple):
    """Which series: a dimension and one of its names; of the project the name is empty."""

    dimension: str
    name: str

    def has(self, leaf: Leaf) -> bool:
        """Tell whether a leaf is part of the series."""
        return self.dimension == "project" or getattr(leaf, self.dimension) == self.name


class Row(NamedTuple):
    """What one leaf did in one step of time that begins at ``start_s``."""

    start_s: int
    leaf: Leaf
    amounts: Sequence[float]


class Cells:
    """Amounts by measure, leaf and step, over a window that moves on with the clock.

    Args:
        step_s: seconds of a step.
        steps: how many are kept; the last one is the one that runs.
    """

    def __init__(self, step_s: int, steps: int) -> None:
        self.step_s, self.steps = step_s, steps
        self.first_s = 0
        self.leaves: list[Leaf] = []
        self._places: dict[Leaf, int] = {}
        self.amounts: Floats = np.zeros((len(MEASURES), 0, steps))

    @property
    def end_s(self) -> int:
        """Unix second at which the last step ends."""
        return self.first_s + self.steps * self.step_s

    def times(self) -> Ints:
        """Return when each step begins, unix seconds."""
        return self.first_s + np.arange(self.steps, dtype=np.int64) * self.step_s

    def advance(self, now_s: int) -> None:
        """Let the last step be the one that holds ``now_s``; forget what is too old."""
        first_s = now_s // self.step_s * self.step_s - (self.steps - 1) * self.step_s
        moved = (first_s - self.first_s) // self.step_s
        self.first_s = first_s
        if moved == 0:
            return
        kept = np.zeros_like(self.amounts)
        if 0 < moved < self.steps:
            kept[:, :, : self.steps - moved] = self.amounts[:, :, moved:]
        elif -self.steps < moved < 0:  # the clock was set back
            kept[:, :, -moved:] = self.amounts[:, :, :moved]
        self.amounts = kept

    def clear(self, from_s: int, to_s: int) -> None:
        """Forget the steps that begin in a time, before they are put anew."""
        start, stop = self._span(from_s, to_s)
        self.amounts[:, :, start:stop] = 0

    def put(self, rows: Iterable[Row]) -> None:
        """Add rows; those outside of the window are left out."""
        for row in rows:
            step = (row.start_s - self.first_s) // self.step_s
            if 0 <= step < self.steps:
                place = self._place(row.leaf)
                self.amounts[:, place, step] += row.amounts

    def members(self, key: Key) -> Ints:
        """Return the places of a series' leaves."""
        return np.array([n for n, leaf in enumerate(self.leaves) if key.has(leaf)], np.int64)

    def of(self, key: Key, measure: str) -> Floats:
        """Return one measure of a series by step."""
        place = MEASURES.index(measure)
        summed: Floats = self.amounts[place, self.members(key)].sum(axis=0)
        return summed

    def between(self, from_s: int, to_s: int, measure: str = "cost_usd") -> Floats:
        """Return one measure of each leaf, summed over the steps that begin in a time."""
        start, stop = self._span(from_s, to_s)
        leaves = len(self.leaves)
        place = MEASURES.index(measure)
        summed: Floats = self.amounts[place, :leaves, start:stop].sum(axis=1)
        return summed

    def _span(self, from_s: int, to_s: int) -> tuple[int, int]:
        start = -(-(from_s - self.first_s) // self.step_s)
        stop = -(-(to_s - self.first_s) // self.step_s)
        return max(0, start), max(0, min(stop, self.steps))

    def _place(self, leaf: Leaf) -> int:
        if leaf not in self._places and len(self.leaves) >= MOST_LEAVES:
            leaf = Leaf()  # the total stays right, whoever spent it
        if leaf not in self._places:
            self._places[leaf] = len(self.leaves)
            self.leaves.append(leaf)
            if len(self.leaves) > self.amounts.shape[1]:
                more = np.zeros((len(MEASURES), max(16, len(self.leaves)), self.steps))
                self.amounts = np.concatenate([self.amounts, more], axis=1)
        return self._places[leaf]
