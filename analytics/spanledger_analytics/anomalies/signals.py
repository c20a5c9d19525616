"""What one series says: a stretch of time in which it is not as it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from spanledger_analytics.anomalies.baseline import Bools
from spanledger_analytics.anomalies.cells import Key

Code = Literal["spike", "unit_cost", "creep", "calls", "quiet"]
"""Too many dollars; too many per unit; a little more every day; too many calls; silence."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One series over one stretch of time.

    Attributes:
        key: the series.
        start_s: unix seconds; ``end_s``: where the last step ends, or now.
        is_open: whether it was still so in the last steps.
        actual_usd: spent in the stretch; ``expected_usd``: what it should have been.
        z: the largest deviation, in standard deviations.
        is_sure: False where there is little history.
        unit: of ``unit_cost``: dollars per what.
    """

    key: Key
    code: Code
    start_s: int
    end_s: int
    is_open: bool
    actual_usd: float
    expected_usd: float
    z: float
    is_sure: bool = True
    unit: str = ""

    @property
    def excess_usd(self) -> float:
        """Dollars above what was expected."""
        return self.actual_usd - self.expected_usd


def runs(is_odd: Bools, gap: int) -> Iterator[tuple[int, int]]:
    """Yield first step and end of each run; runs with fewer than ``gap`` steps between are one."""
    places = np.flatnonzero(is_odd)
    if not len(places):
        return
    breaks = np.flatnonzero(np.diff(places) > gap)
    starts = [0, *(int(b) + 1 for b in breaks)]
    ends = [*(int(b) for b in breaks), len(places) - 1]
    for start, end in zip(starts, ends, strict=True):
        yield int(places[start]), int(places[end]) + 1
