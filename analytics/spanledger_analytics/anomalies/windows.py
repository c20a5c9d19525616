"""Whether minutes to hours of spending are too much: sums over windows against a baseline.

Two things make a sum differ from what is expected: the rate of an hour is not known exactly
(a factor, measured by the scale of the hourly baseline), and money comes in lumps (a call, a
trace), which matters in short windows and quiet hours. Lumps are told by the variance of five
minutes over their mean, in dollars: with lumps of that size, counts are Poisson, and the signed
root of the deviance is close to normal also where few are expected (McCullagh and Nelder,
Generalized Linear Models, 2nd ed., 2.4.3). The variances of both add up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spanledger_analytics.anomalies.baseline import Bools, Floats
from spanledger_analytics.anomalies.cells import FINE_PER_HOUR

QUANTUM_USD = 0.01
"""Below it spending is as good as none: what is watched is log(1 + cost / a cent)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a sum is too much.

    Attributes:
        windows: lengths in steps of five minutes.
        z: least deviation of a series with history, and ``young_z`` of one with little.
        new_scale: least scale of the logarithm of an hour in the first week of a series, in which
            no weekday has been seen twice: a Monday after a weekend is no anomaly, eight times as
            much as expected is.
        excess_usd: least dollars above what is expected; twice as much with little history.
        excess_ratio: the same, as a share of what is expected.
        share: a step belongs to what is flagged if it has this share of the window's mean excess.
    """

    windows: tuple[int, ...] = (1, 2, 3, 6, 12, 36, 72)
    z: float = 4.0
    young_z: float = 6.0
    new_scale: float = 0.35
    excess_usd: float = 5.0
    excess_ratio: float = 0.2
    share: float = 0.5


LIMITS = Limits()


def to_log(cost_usd: Floats) -> Floats:
    """Return what is watched of dollars; of credits below zero, as of nothing."""
    return np.log1p(np.maximum(cost_usd, 0.0) / QUANTUM_USD)


def to_usd(value: Floats) -> Floats:
    """Return the dollars that a logarithm stands for."""
    usd: Floats = np.expm1(np.minimum(value, 40.0)) * QUANTUM_USD
    return usd


def lumps(cost_usd: Floats) -> Floats:
    """Return the size of a lump of each series: variance over mean of five minutes, dollars.

    Args:
        cost_usd: series by five minutes. The hours with the largest ratios, one in twenty, are
            cut: they are what is looked for.
    """
    series, steps = cost_usd.shape
    count_hours = steps // FINE_PER_HOUR
    hours = cost_usd[:, : count_hours * FINE_PER_HOUR]
    hours = hours.reshape(series, count_hours, FINE_PER_HOUR)
    mean = hours.mean(axis=2)
    ratio = np.where(mean > 0, hours.var(axis=2, ddof=1) / np.maximum(mean, 1e-12), np.nan)
    ordered = np.sort(ratio, axis=1)
    count = (~np.isnan(ordered)).sum(axis=1)
    place = np.maximum(0, (0.95 * count).astype(np.int64) - 1)
    most = np.take_along_axis(ordered, place[:, None], axis=1)
    kept = np.minimum(np.nan_to_num(ratio), np.nan_to_num(most))
    size: Floats = kept.sum(axis=1) / np.maximum(count, 1)
    return size


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of each series in each five minutes.

    Attributes:
        usd: series by steps; NaN: nothing is known.
        scale: of the logarithm of an hour; the same shape.
        usual_usd: the second most that was spent in five minutes at this hour of the day lately.
        lump_usd: by series.
        is_young: series by steps: there is little history.
    """

    usd: Floats
    scale: Floats
    usual_usd: Floats
    lump_usd: Floats
    is_young: Bools


@dataclass(frozen=True, slots=True)
class Flags:
    """What is too much, series by steps of five minutes.

    Attributes:
        is_odd: the step is part of it.
        z: the largest deviation of a window that ends here and is flagged; else 0.
    """

    is_odd: Bools
    z: Floats


def flag(cost_usd: Floats, expected: Expected, limits: Limits = LIMITS) -> Flags:
    """Return which steps are part of sums that are too much."""
    known = ~np.isnan(expected.usd) & ~np.isnan(expected.scale)
    base = np.where(known, expected.usd, 0.0)
    most_z = np.zeros(cost_usd.shape)
    is_odd = np.zeros(cost_usd.shape, bool)
    for length in limits.windows:
        actual, usual = _summed(cost_usd, length), _summed(expected.usual_usd, length)
        should = _summed(base, length)
        z = deviation(actual, should, expected.scale, expected.lump_usd[:, None])
        least_usd = np.maximum(limits.excess_usd, limits.excess_ratio * should)
        young = expected.is_young
        is_hit = (
            (z >= np.where(young, limits.young_z, limits.z))
            & (actual - should >= least_usd * np.where(young, 2.0, 1.0))
            & (actual > usual)
            & (_summed(known.astype(float), length) == length)
        )
        most_z = np.where(is_hit, np.maximum(most_z, z), most_z)
        floor = np.where(is_hit, limits.share * (actual - should) / length, np.inf)
        is_odd |= _ahead_least(floor, length) <= cost_usd - base
    return Flags(is_odd, most_z)


def deviation(actual: Floats, expected: Floats, scale: Floats, lump_usd: Floats) -> Floats:
    """Return how far sums lie above what is expected, in standard deviations; 0: not above.

    Args:
        actual: dollars.
        expected: dollars.
        scale: of the logarithm of the rate.
        lump_usd: dollars that come at once.
    """
    rate_z = np.maximum(to_log(actual) - to_log(expected), 0.0) / np.maximum(scale, 1e-9)
    lump = np.maximum(lump_usd, 1e-6)
    count, mean = np.maximum(actual, 0) / lump, np.maximum(expected, QUANTUM_USD / 10) / lump
    deviance = 2 * (count * np.log(np.maximum(count, 1e-12) / mean) - (count - mean))
    lump_z = np.where(count > mean, np.sqrt(np.maximum(deviance, 0.0)), 0.0)
    smaller = np.minimum(rate_z, lump_z)
    both = rate_z * lump_z / np.sqrt(np.maximum(rate_z**2 + lump_z**2, 1e-12))
    return np.where(np.isnan(smaller) | (smaller <= 0), 0.0, both)


def _summed(values: Floats, length: int) -> Floats:
    """Return sums over windows that end at each step; the first ones are shorter."""
    total = np.cumsum(values, axis=1)
    before = np.zeros_like(total)
    before[:, length:] = total[:, :-length]
    return total - before


def _ahead_least(values: Floats, length: int) -> Floats:
    """Return the least of each step and the ``length - 1`` after it."""
    least = values.copy()
    done = 1
    while done < length:  # doubling: a few passes, however long the window
        shift = min(done, length - done)
        least[:, :-shift] = np.minimum(least[:, :-shift], least[:, shift:])
        done += shift
    return least
