"""How rare a level is among all that a series has shown: whatever its season, and without a model.

A burst that comes every few days, at any hour, deviates from every seasonal expectation each time,
and yet is no news. What is counted is how many earlier values lay as near as a sixteenth of the
usual range: a histogram with one bin, around the value itself (Scott, Multivariate Density
Estimation, 2nd ed., chapter 3). Rarity is the logarithm of that share, in bits: 8 is one value in
256. Values far beyond all others are as rare as the history is long, no more.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from math import log2

RARE_BITS = 8.0
"""What is rarer is news."""
_WIDTH = 1 / 8
"""Of the range: so wide is a level."""
_TRIMMED = 0.001
"""Of the values at each end, which do not stretch the range."""
_LEAST = 20
"""Values, with fewer of which nothing is rare."""


class Levels:
    """The values of one series so far.

    Args:
        values: in any order; no NaN.
    """

    def __init__(self, values: Iterable[float] = ()) -> None:
        self._ordered = sorted(values)

    def add(self, value: float) -> None:
        """Take one more into the history."""
        insort(self._ordered, value)

    def bits(self, value: float) -> float:
        """Return how rare a value is, before it is added; 0.0 with too little history."""
        known = self._ordered
        if len(known) < _LEAST:
            return 0.0
        last = len(known) - 1
        low, high = known[int(_TRIMMED * last)], known[int((1 - _TRIMMED) * last)]
        side = (high - low) * _WIDTH / 2 or 1e-9
        near = bisect_right(known, value + side) - bisect_left(known, value - side)
        return -log2((near + _WIDTH / 2) / (len(known) + 0.5))
