"""Finds repetition in sequences of numbers: steps that are equal have the same number.

A sequence repeats with period k, r times over, exactly where (r - 1) * k numbers in a row each
equal the one k before. The rules and thresholds are those of the SDK's ``loop_guard``
(``spanledger/_loops.py``), which sees one step at a time; this looks at a whole lane at once.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from operator import attrgetter, eq
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class LoopLimits:
    """How many copies make a loop: to warn, and to be critical.

    OpenHands warns at 3 equal calls and stops at 4, Cline warns at 3 and stops at 5, Gemini CLI
    stops at 5 cycles of up to 5 calls, OpenClaw warns at 10 polls.

    Attributes:
        exact: the same call gave the same result, one after the other.
        cycle: the same two to ``max_period`` steps came, with the same results.
        error_retry: the same call failed, whatever it said.
        same_call: the same call, whatever it returned.
        max_period: longest cycle looked for.
        noise_ratio: most of the steps of a cycle that may be of another kind.
        noisy_exact: copies of one call, with its result, that make a loop with others in between.
    """

    exact: tuple[int, int] = (3, 5)
    cycle: tuple[int, int] = (3, 4)
    error_retry: tuple[int, int] = (3, 5)
    same_call: tuple[int, int] = (20, 50)
    max_period: int = 8
    noise_ratio: float = 0.2
    noisy_exact: int = 4


LIMITS = LoopLimits()
KindOf = Callable[[int], Hashable]
"""What the step at a place is, as the tools it calls."""
_first = attrgetter("first")


class Repeat(NamedTuple):
    """Positions of a sequence that repeat: ``copies`` times the same ``period`` of them.

    ``first`` to ``end`` (exclusive) is all of it, ``warn`` the position at which it became one;
    ``held`` are the positions that repeat where others lie in between, empty: all.
    """

    kind: str
    period: int
    copies: int
    first: int
    end: int
    warn: int
    is_critical: bool
    held: tuple[int, ...] = ()

    @property
    def later(self) -> Sequence[int]:
        """Positions of the copies after the first."""
        if self.held:
            return self.held[self.period :]
        return range(self.first + self.period, self.end)


def tandem_repeats(ids: Sequence[int], limits: LoopLimits = LIMITS) -> list[Repeat]:
    """Return the maximal exact repeats and cycles, the shortest periods first.

    A repeat inside one of a shorter period is not told again.
    """
    fewest = min(limits.exact[0], limits.cycle[0])
    often = sum(count for count in Counter(ids).values() if count >= fewest)
    found: list[list[Repeat]] = []
    for period in range(1, min(limits.max_period, often // fewest) + 1):
        kind, (warn, stop) = ("exact", limits.exact) if period == 1 else ("cycle", limits.cycle)
        is_equal = bytes(map(eq, ids[period:], ids))
        runs: list[Repeat] = []
        for run in _long_runs((warn - 1) * period).finditer(is_equal):
            first, end = run.start(), run.end() + period
            if any(_is_inside(first, end, shorter) for shorter in found):
                continue
            copies = (end - first) // period
            at = first + warn * period - 1
            runs.append(Repeat(kind, period, copies, first, end, at, copies >= stop))
        if runs:
            found.append(runs)
    return [one for runs in found for one in runs]


def _is_inside(first: int, end: int, runs: Sequence[Repeat]) -> bool:
    """Return whether one of the runs, which are in order, holds all of ``first`` to ``end``."""
    place = bisect_right(runs, first, key=_first) - 1
    return place >= 0 and end <= runs[place].end


def call_repeats(
    calls: Sequence[int], errors: Sequence[bool], limits: LoopLimits = LIMITS
) -> list[Repeat]:
    """Return the streaks of one call: those that only failed, and those of any result."""
    found: list[Repeat] = []
    if len(set(calls)) == len(calls):
        return found
    is_equal = bytes(map(eq, calls[1:], calls))
    shortest = min(limits.error_retry[0], limits.same_call[0]) - 1
    for run in _long_runs(shortest).finditer(is_equal):
        first, end = run.start(), run.end() + 1
        failed = bytes(map(bool, errors[first:end]))
        for part in _long_runs(limits.error_retry[0]).finditer(failed):
            start, stop = first + part.start(), first + part.end()
            found += _streak("error_retry", start, stop, limits.error_retry)
        found += _streak("same_call", first, end, limits.same_call)
    return found


def noisy_cycles(
    ids: Sequence[int], limits: LoopLimits = LIMITS, kind_of: KindOf = lambda _: None
) -> list[Repeat]:
    """Return the repeats that single steps of another kind interrupt.

    A step that comes less often than a loop's would is passed over, unless such steps come at the
    same place of the copies: then they are what each round is about, as an edit is in edit, test,
    edit, test. Of one kind they are so in more than half of the copies, of any in most.

    Args:
        ids: equal for steps that are equal.
        limits: how many copies make a loop.
        kind_of: of a step by its place; without it all are of one kind.
    """
    often = Counter(ids)
    fewest = min(limits.exact[0], limits.cycle[0])
    kept = [place for place, one in enumerate(ids) if often[one] >= fewest]
    if len(kept) == len(ids) or len(kept) < limits.exact[0]:
        return []
    found: list[Repeat] = []
    for one in tandem_repeats([ids[place] for place in kept], limits):
        places = kept[one.first : one.end]
        size = places[-1] + 1 - places[0]
        if size == len(places):
            continue  # nothing in between: found already
        is_noise = size - len(places) <= limits.noise_ratio * size
        is_few = one.period == 1 and one.copies < limits.noisy_exact
        if is_few or not is_noise or _is_progress(places, one, kind_of):
            continue
        first, end = places[0], places[-1] + 1
        warn = kept[one.warn]
        found.append(one._replace(first=first, end=end, warn=warn, held=tuple(places)))
    return found


def _is_progress(places: Sequence[int], repeat: Repeat, kind_of: KindOf) -> bool:
    """Return whether the steps in between are what each round is about."""
    of_place: Counter[int] = Counter()
    of_kind: Counter[tuple[int, Hashable]] = Counter()
    for index, (before, after) in enumerate(pairwise(places), 1):
        between = range(before + 1, after)
        of_place[index % repeat.period] += bool(between)
        of_kind.update({(index % repeat.period, kind_of(place)) for place in between})
    rounds = repeat.copies - 1
    return max(of_kind.values()) > rounds / 2 or max(of_place.values()) > 3 * rounds / 4


def merged(repeats: Iterable[Repeat]) -> list[list[Repeat]]:
    """Return repeats in groups that overlap, each by when it was first told."""
    groups: list[list[Repeat]] = []
    end = -1
    for one in sorted(repeats, key=lambda one: (one.first, one.end)):
        if groups and one.first < end:
            groups[-1].append(one)
        else:
            groups.append([one])
            end = -1
        end = max(end, one.end)
    for group in groups:
        group.sort(key=lambda one: (one.warn, one.kind != "error_retry", one.period))
    return groups


def _streak(kind: str, first: int, end: int, limits: tuple[int, int]) -> list[Repeat]:
    warn, stop = limits
    copies = end - first
    if copies < warn:
        return []
    return [Repeat(kind, 1, copies, first, end, first + warn - 1, copies >= stop)]


@cache
def _long_runs(length: int) -> re.Pattern[bytes]:
    return re.compile(b"\x01{%d,}" % length)
