"""What the Anomalies page reads: spending of one series by hour, and what was expected of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from spanledger_analytics.anomalies.baseline import DAYS, HOURS, Floats, Track
from spanledger_analytics.anomalies.slow import LIMITS as DAY_LIMITS
from spanledger_analytics.anomalies.watch import FIRST_WEEK
from spanledger_analytics.anomalies.windows import LIMITS, to_log, to_usd
from spanledger_dashboard.findings.data import Found
from spanledger_storage.store import Store

HOUR_S = 3_600
DAY_S = 86_400
HISTORY_S = 42 * DAY_S
"""Read before the range: what expectations are learnt from."""
COLUMNS = {"project": "project", "agent": "agent_name", "model": "model", "service": "service_name"}
"""Dimensions that can be picked, and their columns in hourly usage."""


@dataclass(frozen=True, slots=True)
class Series:
    """Whose spending: a dimension and one of its names; of the project the name is empty."""

    dimension: str = "project"
    name: str = ""

    @property
    def label(self) -> str:
        """How it is called in the picker and the address."""
        return "Project" if self.dimension == "project" else f"{self.dimension}: {self.name}"

    @property
    def said(self) -> str:
        """How it is called in a sentence."""
        return f"{self.dimension} {self.name}" if self.name else "the project"

    @classmethod
    def of(cls, label: str) -> Series:
        """Return the series a label names; of one that names none, the project."""
        dimension, _, name = label.partition(": ")
        return cls(dimension, name) if dimension in COLUMNS and name else cls()


@dataclass(frozen=True, slots=True)
class Band:
    """What was spent in each step, and between what it was expected.

    Attributes:
        starts_s: of the steps, unix seconds.
        step_s: an hour or a day.
        actual: dollars; NaN: nothing was received.
        expected: dollars; NaN: too little history.
        low: of what is usual, and ``high``; NaN: less history than a band takes.
        running_s: start of the step that is not over; None: all are.
    """

    starts_s: Sequence[int]
    step_s: int
    actual: Floats
    expected: Floats
    low: Floats
    high: Floats
    running_s: int | None


def load_hours(
    store: Store, project: str, series: Series, from_s: int, to_s: int
) -> tuple[Mapping[int, float], frozenset[int]]:
    """Read dollars of a series by the second an hour begins, and the hours in which anything came.

    Raises:
        StoreError: the store does not answer.
    """
    params = {
        "project": project,
        "within": COLUMNS[series.dimension],
        "name": series.name if series.dimension != "project" else project,
        "from_s": from_s // HOUR_S * HOUR_S,
        "to_s": to_s,
    }
    rows = store.rows("dashboard_series", params)
    hours = {cast("int", row["start_s"]): float(str(row["cost_usd"])) for row in rows}
    heard = frozenset(cast("int", row["start_s"]) for row in rows if row["all_calls"])
    return hours, heard


def band_of(
    hours: Mapping[int, float], heard: frozenset[int], from_s: int, to_s: int, now_s: int,
    *, is_daily: bool,
) -> Band:  # fmt: skip
    """Return actual and expected dollars of the steps from ``from_s`` to ``to_s``.

    What is shown is what the detector expects one step ahead, from the six weeks before each step;
    the band ends where a deviation is large enough to be told. There is none before a week of hours
    or two weeks of days are known: it would be as wide as the chart.

    Args:
        hours: dollars of the series, from before ``from_s`` on.
        heard: hours in which the project received anything: the others are gaps, not zeros.
        from_s: start of the first step shown, unix seconds.
        to_s: end of the last.
        now_s: the clock: the step it lies in is not over and teaches nothing.
        is_daily: steps of UTC days, else of hours.
    """
    step_s, grain = (DAY_S, DAYS) if is_daily else (HOUR_S, HOURS)
    first_s = min([*heard, from_s]) // step_s * step_s
    starts = list(range(first_s, to_s, step_s))
    sums = np.zeros(len(starts))
    seen = np.zeros(len(starts), np.int64)
    for start, usd in hours.items():
        place = (start - first_s) // step_s
        if 0 <= place < len(starts):
            sums[place] += usd
    for start in heard:
        place = (start - first_s) // step_s
        if 0 <= place < len(starts):
            seen[place] += 1
    begun = np.cumsum(sums != 0) > 0
    actual = np.where((seen > 0) & begun, sums, np.nan)
    running = now_s // step_s * step_s
    value = to_log(actual)[None, :]
    value[0, [n for n, start in enumerate(starts) if start >= running]] = np.nan
    tracked = Track(value, grain).run()
    least = DAY_LIMITS.least_days if is_daily else FIRST_WEEK
    expected = tracked.expected[0]
    scale = np.where(tracked.seen[0] >= least, tracked.scale[0], np.nan)
    shown = [n for n, start in enumerate(starts) if start >= from_s // step_s * step_s]
    return Band(
        starts_s=[starts[n] for n in shown],
        step_s=step_s,
        actual=np.where(seen > 0, sums, np.nan)[shown],
        expected=to_usd(expected)[shown],
        low=np.maximum(to_usd(expected - LIMITS.z * scale), 0.0)[shown],
        high=to_usd(expected + LIMITS.z * scale)[shown],
        running_s=running if running < to_s else None,
    )


def is_of(finding: Found, series: Series) -> bool:
    """Return whether a finding is told of a series, or shows in it too."""
    figures = finding.figures
    told = [figures, *(one for one in rows(figures, "series"))]
    return any(
        (one.get("dimension"), one.get("name") or "") == (series.dimension, series.name)
        for one in told
    )


def rows(figures: Mapping[str, object], key: str) -> list[dict[str, object]]:
    """Return the rows of a figure that holds rows; none when it holds anything else."""
    found = figures.get(key)
    if not isinstance(found, list):
        return []
    return [
        cast("dict[str, object]", row)
        for row in cast("list[object]", found)
        if isinstance(row, dict)
    ]
