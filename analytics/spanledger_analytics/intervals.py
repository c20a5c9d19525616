"""Intervals of time: sets of nanoseconds as sorted pairs of start and end that do not touch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

Interval = tuple[int, int]
"""Start and end, UTC nanoseconds, half open."""


def union(times: Iterable[Interval]) -> list[Interval]:
    """Return the time that at least one interval covers; empty ones count for nothing."""
    joined: list[Interval] = []
    for start, end in sorted(times):
        if end <= start:
            continue
        if joined and start <= joined[-1][1]:
            if end > joined[-1][1]:
                joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def without(times: Sequence[Interval], others: Sequence[Interval]) -> list[Interval]:
    """Return the time in ``times`` that is not in ``others``; both as ``union`` returns them."""
    if not others:
        return list(times)
    left: list[Interval] = []
    first = 0
    for start, end in times:
        at = start
        while first < len(others) and others[first][1] <= at:
            first += 1
        place = first
        while place < len(others) and others[place][0] < end:
            if others[place][0] > at:
                left.append((at, others[place][0]))
            at = max(at, others[place][1])
            place += 1
        if at < end:
            left.append((at, end))
    return left


def length(times: Iterable[Interval]) -> int:
    """Return the sum of the lengths in nanoseconds."""
    return sum(end - start for start, end in times)


def flat(times: Iterable[Interval]) -> tuple[int, ...]:
    """Return intervals as a row holds them: starts and ends by turns."""
    return tuple(chain.from_iterable(times))


def paired(numbers: Sequence[int]) -> list[Interval]:
    """Return the intervals that a row holds."""
    return list(zip(numbers[::2], numbers[1::2], strict=True))
