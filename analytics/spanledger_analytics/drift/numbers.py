"""Whether a number of trajectories, such as their steps, is as large as before: by ranks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_QUANTILES = (0.1, 0.5, 0.9)


@dataclass(frozen=True, slots=True)
class Numeric:
    """What comparing two lists of numbers gives.

    Attributes:
        statistic: z of the Mann-Whitney test.
        p_value: two-sided, normal approximation with the correction for ties.
        delta: Cliff's delta, from -1 (all smaller than before) to 1 (all larger).
        delta_error: its standard error.
        before: 10th, 50th and 90th percentile and mean.
        now: the same.
    """

    statistic: float
    p_value: float
    delta: float
    delta_error: float
    before: tuple[float, float, float, float]
    now: tuple[float, float, float, float]


def compare_numbers(before: Floats, now: Floats) -> Numeric:
    """Return how two lists differ; both hold at least one number.

    Mann and Whitney, https://doi.org/10.1214/aoms/1177730491; Cliff,
    https://doi.org/10.1037/0033-2909.114.3.494: delta = 2 U / (n m) - 1.
    """
    n, m = len(before), len(now)
    everything = np.concatenate([before, now])
    _, place, ties = np.unique(everything, return_inverse=True, return_counts=True)
    ends = np.cumsum(ties)
    ranks = (ends - (ties - 1) / 2)[place]
    above = float(ranks[n:].sum()) - m * (m + 1) / 2
    delta = 2 * above / (n * m) - 1
    total = n + m
    tied = float((ties.astype(np.float64) ** 3 - ties).sum())
    untied = 1 - tied / (total**3 - total) if total > 1 else 0.0
    spread = math.sqrt((total + 1) * untied / (3 * n * m)) if untied > 0 else 0.0
    z = delta / spread if spread else 0.0
    return Numeric(
        z, math.erfc(abs(z) / math.sqrt(2)), delta, spread, _summary(before), _summary(now)
    )


def _summary(values: Floats) -> tuple[float, float, float, float]:
    low, middle, high = (float(q) for q in np.quantile(values, _QUANTILES))
    return low, middle, high, float(values.mean())
