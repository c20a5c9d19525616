"""How sure a share is, and a difference of shares; pure."""

from __future__ import annotations

from math import ceil, sqrt
from typing import NamedTuple

Z95 = 1.959963984540054
"""Quantile of the normal distribution for an interval of 95 %."""


class Interval(NamedTuple):
    """Bounds of 95 %."""

    low: float
    high: float


def wilson(successes: int, tries: int) -> Interval:
    """Return Wilson's score interval of a share; of no tries, everything from 0 to 1.

    https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval#Wilson_score_interval
    """
    if not tries:
        return Interval(0.0, 1.0)
    share, square = successes / tries, Z95 * Z95
    middle = (share + square / (2 * tries)) / (1 + square / tries)
    half = Z95 * sqrt(share * (1 - share) / tries + square / (4 * tries * tries))
    half /= 1 + square / tries
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def newcombe(successes: int, tries: int, other_successes: int, other_tries: int) -> Interval:
    """Return the interval of a share minus another one (Newcombe's hybrid score, method 10).

    Newcombe, Statistics in Medicine 17 (1998), 873-890.
    """
    if not tries or not other_tries:
        return Interval(-1.0, 1.0)
    one, other = wilson(successes, tries), wilson(other_successes, other_tries)
    share, other_share = successes / tries, other_successes / other_tries
    difference = share - other_share
    return Interval(
        difference - sqrt((share - one.low) ** 2 + (other.high - other_share) ** 2),
        difference + sqrt((one.high - share) ** 2 + (other_share - other.low) ** 2),
    )


def tries_needed(share: float, margin: float) -> int:
    """Return about how many tries on each side show that a share is not worse by a margin.

    As many as make the half of the interval of 95 % the margin, were both shares the same.
    """
    spread = max(share * (1 - share), 0.01)  # where all succeed, one in a hundred may yet fail
    return ceil(Z95 * Z95 * 2 * spread / (margin * margin))
