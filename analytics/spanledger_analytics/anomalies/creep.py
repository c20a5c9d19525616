"""Slow growth: a one-sided cumulative sum of daily deviations.

``S = max(0, S + z - 0.5)``, an alarm beyond 5: about 900 days to a false alarm where deviations
are normal, and about ten for a shift of one standard deviation (Montgomery, Introduction to
Statistical Quality Control, 7th ed., chapter 9.1).
"""

from __future__ import annotations

import numpy as np

from spanledger_analytics.anomalies.baseline import Floats

SLACK = 0.5
LIMIT = 5.0
_MOST_Z = 4.0
"""A day counts as so much at most: single days are found by themselves."""


def cumulative(z: Floats) -> Floats:
    """Return the sum after each day; series by days, NaN teaches nothing."""
    sums = np.zeros(z.shape)
    total = np.zeros(z.shape[0])
    for day in range(z.shape[1]):
        total = np.maximum(
            0.0, total + np.minimum(np.nan_to_num(z[:, day], nan=SLACK), _MOST_Z) - SLACK
        )
        sums[:, day] = total
    return sums
