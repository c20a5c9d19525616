"""What a series should be now: a seasonal robust expectation, one step ahead, for many at once.

A series is the logarithm of what is watched, so that a deviation is a ratio. Its expectation is::

    w x median(same hour of the week, 6 weeks)
        + (1 - w) x (median(same hour of the day, 14 days) + shift of the weekday)   + level

with ``w = n / (n + 3)`` for n weeks of history. The season is learnt from values less the level of
their time, so that a lasting step moves the level alone; the level is a moving mean of what is
left over, with outliers cut at three scales. The scale is 1.4826 times the median absolute
deviation of 28 days, or larger where the tails are heavy. Values beyond ``learn_z`` teach
nothing, until ``relearn`` steps in a row lie beyond it on one side: then the new level is accepted.

The parts are textbook (medians and MAD: Huber and Ronchetti, Robust Statistics, 2nd ed., 2009).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_MAD = 1.4826
"""Standard deviations of a normal distribution per median absolute deviation."""
_TAIL_QUANTILE = 0.99
_TAIL_SCALES = 3.0
"""One value in a hundred may lie beyond this many scales; a normal distribution has 2.6."""


@dataclass(frozen=True, slots=True)
class Grain:
    """How a series is expected at one length of step.

    Attributes:
        step_s: seconds of a step.
        day: steps of a day; 0: no season within the day.
        week: steps of a week.
        alpha: weight of the newest value in the level.
        scale_steps: how far back the scale looks.
        refresh: steps between two computations of the scale.
        relearn: steps in a row beyond ``learn_z`` after which the new level is accepted.
        warm_up: values before the scale is of use.
        least_scale: of the logarithm; 0.05 is five percent.
        settled_weeks: of values, after which what lasts counts once as a residual; before, it may
            be a season that is not known yet.
    """

    step_s: int
    day: int
    week: int
    alpha: float = 0.1
    days_back: int = 14
    weeks_back: int = 6
    scale_steps: int = 672
    refresh: int = 24
    relearn: int = 72
    warm_up: int = 24
    least_scale: float = 0.05
    settled_weeks: int = 2
    learn_z: float = 4.0
    winsor_z: float = 3.0


HOURS = Grain(step_s=3_600, day=24, week=168)
DAYS = Grain(step_s=86_400, day=0, week=7, scale_steps=42, refresh=1, relearn=3, warm_up=5)


class Track:
    """What was expected of each series at each step, before its value was known.

    Causal: no step depends on later ones. Arrays are series by steps; NaN: nothing was known yet.
    It can be run again from any step, so that an hour more costs one step.

    Args:
        values: logarithms, series by steps, in step with the clock; NaN: a gap, which teaches
            nothing. The last ones may be NaN: then they are expected all the same.
        grain: of the steps.
        weights: what scales are multiplied by at each step (more where few calls make a value).
        alpha: of each series, if not that of the grain.

    Attributes:
        expected: of the logarithm.
        scale: its standard deviation.
        z: deviation of the value in scales.
        level: the part of what was expected that is no season.
        seen: values known before the step, outliers too.
        frozen: steps known to be too much, whatever their own deviation: they teach nothing.
        accepted: by row: the step since which somebody says that it is as it should be; a day of
            it is waited for, and then learnt.
    """

    def __init__(
        self,
        values: Floats,
        grain: Grain,
        weights: Floats | None = None,
        alpha: Floats | None = None,
    ) -> None:
        shape = values.shape
        self.grain, self.values = grain, values.copy()
        self.weights = np.ones(shape) if weights is None else weights.copy()
        self.alpha = np.full(shape[0], grain.alpha) if alpha is None else alpha.copy()
        self.frozen: Bools = np.zeros(shape, bool)
        self.accepted: Mapping[int, int] = {}
        self.expected, self.scale, self.z, self.level = (np.full(shape, np.nan) for _ in range(4))
        self._flat, self._rest, self._gap = (np.full(shape, np.nan) for _ in range(3))
        self.seen: Ints = np.zeros(shape, np.int64)
        self._streak: Ints = np.zeros((shape[0], shape[1] + 1), np.int64)
        self._spread = np.full(shape, np.nan)
        self._next = (np.full(shape[0], np.nan), np.zeros(shape[0], np.int64))
        self._forgotten = 0  # steps, so that scales are measured at the same times of the clock

    @property
    def steps(self) -> int:
        """How many there are."""
        return int(self.values.shape[1])

    def run(self, first: int = 0) -> Track:
        """Expect and learn every step from one on; return itself."""
        level, count = self._next
        if first < self.steps:
            level, count = self.level[:, first].copy(), self.seen[:, first].copy()
        if first == 0:
            level, count = np.full_like(level, np.nan), np.zeros_like(count)
            self._streak[:, 0] = 0
            first = self._forget_until_known()
        for step in range(first, self.steps):
            level, count = self._advance(step, level, count)
        self._next = level, count
        return self

    def _forget_until_known(self) -> int:
        """Return the first step at which anything is known; of those before, nothing is expected.

        A project that is a day old has six weeks without anything before it.
        """
        known = np.flatnonzero(~np.isnan(self.values).all(axis=0))
        first = int(known[0]) if len(known) else self.steps
        for name in _LEARNT:
            getattr(self, name)[:, :first] = np.nan
        self.seen[:, :first] = 0
        self._streak[:, : first + 1] = 0
        return first

    def freeze(self, is_odd: Bools) -> bool:
        """Let more steps teach nothing, and learn again without them; return whether any is new."""
        new = is_odd & ~self.frozen & ~np.isnan(self.values)
        if not new.any():
            return False
        self.frozen |= new
        self.run(int(np.flatnonzero(new.any(axis=0))[0]))
        return True

    def forward(self, steps: int) -> None:
        """Forget the oldest steps, and make room for as many new ones: gaps, until set."""
        if steps <= 0:
            return
        keep = max(0, self.steps - steps)
        self._forgotten += steps
        for array in self._arrays():
            array[:, :keep] = array[:, array.shape[1] - keep :].copy() if keep else 0
        self._streak[:, : keep + 1] = self._streak[:, self.steps - keep :].copy()
        new = slice(keep, None)
        level, count = self._next
        self.values[:, new], self.weights[:, new], self.frozen[:, new] = np.nan, 1.0, False
        self.level[:, new], self.seen[:, new] = level[:, None], count[:, None]
        self.accepted = {row: since - steps for row, since in self.accepted.items()}

    def append(self, other: Track) -> None:
        """Add the series of another track of the same steps, after the own ones."""
        count = len(self.values)
        names = (*_ARRAYS, "_streak")
        for name in names:
            setattr(self, name, np.concatenate([getattr(self, name), getattr(other, name)]))
        self.alpha = np.concatenate([self.alpha, other.alpha])
        self._next = (
            np.concatenate([self._next[0], other._next[0]]),
            np.concatenate([self._next[1], other._next[1]]),
        )
        self.accepted = {**self.accepted, **{row + count: at for row, at in other.accepted.items()}}

    def _arrays(self) -> Sequence[npt.NDArray[Any]]:
        return [getattr(self, name) for name in _ARRAYS]

    def _advance(self, step: int, level: Floats, count: Ints) -> tuple[Floats, Ints]:
        """Expect a step, then learn from it; return the level and count after it."""
        season = self._season(step)
        value = self.values[:, step]
        self.level[:, step], self.seen[:, step] = level, count
        self.expected[:, step] = season + level
        self._spread[:, step] = self._measured(step, count)
        self.scale[:, step] = self._spread[:, step] * self.weights[:, step]
        residual = value - self.expected[:, step]
        self._gap[:, step] = residual
        self.z[:, step] = residual / self.scale[:, step]
        is_known = ~np.isnan(value)
        is_first = np.isnan(level) & is_known
        level = np.where(is_first, value - season, self._learnt(step, season, residual, level))
        self._flat[:, step] = np.where(is_first, season, self._flat[:, step])
        level = self._relearnt(step, level)
        return level, count + is_known

    def _learnt(self, step: int, season: Floats, residual: Floats, level: Floats) -> Floats:
        grain, is_held = self.grain, self.frozen[:, step]
        z = self.z[:, step]
        is_odd = (np.abs(z) >= grain.learn_z) | is_held
        side = np.where(is_held, 1, np.where(is_odd, np.sign(z), 0)).astype(np.int64)
        is_gap = np.isnan(residual)
        before = self._streak[:, step]
        goes_on = (side != 0) & (np.sign(before) == side)
        self._streak[:, step + 1] = np.where(is_gap, before, np.where(goes_on, before + side, side))
        # What lasts counts once as a residual: a step is one surprise, and widens no scale.
        is_surprise = goes_on & (self.seen[:, step] >= grain.settled_weeks * grain.week)
        self._gap[:, step] = np.where(is_surprise, np.nan, residual)
        limit = np.nan_to_num(grain.winsor_z * self._spread[:, step], nan=np.inf)
        pull = self.alpha * np.minimum(np.maximum(residual, -limit), limit)
        teaches = ~(is_odd | is_gap)
        level = level + np.where(teaches, pull, 0.0)
        flat = np.where(teaches, self.values[:, step] - level, season)
        # Before a series began it had no season: six weeks of zeros would outvote its first days.
        self._flat[:, step] = np.where(np.isnan(level), np.nan, flat)
        return level

    def _relearnt(self, step: int, level: Floats) -> Floats:
        """Accept the level of what has been odd for long, or what somebody accepts."""
        grain = self.grain
        for odd in np.flatnonzero(np.abs(self._streak[:, step + 1]) >= grain.relearn):
            level[odd] += self._moved(int(odd), max(0, step + 1 - grain.relearn), step)
        for row, since in self.accepted.items():
            if step == since + max(1, grain.day) - 1:
                level[row] += self._moved(row, since, step)
        return level

    def _moved(self, row: int, since: int, step: int) -> float:
        span = slice(max(0, since), step + 1)
        rest = self.values[row, span] - self.expected[row, span]
        moved = float(np.nan_to_num(_median(rest[None, :])[0][0]))
        self._gap[row, span] = rest - moved  # the move itself is no noise
        self._streak[row, step + 1] = 0
        return moved

    def _season(self, step: int) -> Floats:
        grain = self.grain
        series = len(self.values)
        daily = np.zeros(series)
        if grain.day:
            first = step - grain.day * min(grain.days_back, step // grain.day)
            daily = np.nan_to_num(_median(self._flat[:, first : step : grain.day])[0])
        first = step - grain.week * min(grain.weeks_back, step // grain.week)
        weekly, weeks = _median(self._flat[:, first : step : grain.week])
        shift = self._shift(range(first, step, grain.week))
        weight = weeks / (weeks + 3.0)
        season = weight * np.nan_to_num(weekly) + (1 - weight) * (daily + shift)
        self._rest[:, step] = np.where(np.isnan(self.values[:, step]), np.nan, daily)
        return season

    def _shift(self, back: range) -> Floats | float:
        """Return by how much this weekday differs from the days before it, around this hour."""
        side = self.grain.day // 8
        if not self.grain.day or not len(back):
            return 0.0
        places = np.array([b + n for b in back for n in range(-side, side + 1) if b + n >= 0])
        return np.nan_to_num(_median(self._flat[:, places] - self._rest[:, places])[0])

    def _measured(self, step: int, count: Ints) -> Floats:
        """Return the scale of the residuals before a step; NaN: too few of them."""
        grain = self.grain
        span = slice(max(0, step - grain.scale_steps), step)
        before = self._spread[:, step - 1] if step else np.full(len(self.values), np.nan)
        if (step + self._forgotten) % grain.refresh or step < grain.warm_up:
            return before
        # The errors of the first week are those of a season that was not known yet.
        is_raw = (self.seen[:, span] < grain.week) & (count >= 2 * grain.week)[:, None]
        size = np.abs(np.where(is_raw, np.nan, self._gap[:, span] / self.weights[:, span]))
        ordered = np.sort(size, axis=1)  # NaN last
        known = (~np.isnan(ordered)).sum(axis=1)
        every = np.arange(len(ordered))
        middle = ordered[every, np.minimum(known // 2, size.shape[1] - 1)]
        place = np.maximum(0, np.ceil(_TAIL_QUANTILE * known).astype(np.int64) - 1)
        tail = ordered[every, place] / _TAIL_SCALES
        scale = np.maximum(np.fmax(_MAD * middle, tail), grain.least_scale)
        return np.where(known >= grain.warm_up, scale, np.nan)


_ARRAYS = (
    "values",
    "weights",
    "frozen",
    "expected",
    "scale",
    "z",
    "level",
    "_flat",
    "_rest",
    "_gap",
    "seen",
    "_spread",
)


_LEARNT = ("expected", "scale", "z", "level", "_flat", "_rest", "_gap", "_spread")
"""Of each step, once it has been looked at."""


def _median(block: Floats) -> tuple[Floats, Ints]:
    """Return the median of each row without its NaNs, and how many values it is of."""
    if block.shape[1] == 0:
        return np.full(block.shape[0], np.nan), np.zeros(block.shape[0], np.int64)
    ordered = np.sort(block, axis=1)
    count = (~np.isnan(ordered)).sum(axis=1)
    every = np.arange(len(ordered))
    low = ordered[every, np.maximum(count - 1, 0) // 2]
    high = ordered[every, np.minimum(count // 2, block.shape[1] - 1)]
    return np.where(count > 0, (low + high) / 2, np.nan), count
