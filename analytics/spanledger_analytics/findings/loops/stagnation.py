"""Stagnation: many steps of which few are new, in no order that repeats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from spanledger_analytics.findings.loops.loop import Loop, places
from spanledger_analytics.findings.loops.polls import is_waiting
from spanledger_analytics.findings.loops.steps import LoopView, Segment


@dataclass(frozen=True, slots=True)
class StagnationLimits:
    """When an agent gets nowhere.

    Attributes:
        window: steps looked at together.
        novelty_ratio: most of them that are different.
        critical_windows: windows, one after the other, that make it critical.
    """

    window: int = 20
    novelty_ratio: float = 0.35
    critical_windows: int = 2


STAGNATION = StagnationLimits()


def find_stagnation(view: LoopView) -> list[Loop]:
    """Return stretches in which calls with their results were the same few."""
    return [
        _loop(segment, first, end)
        for segment in view.segments
        if segment.repeats
        for first, end in _stretches(segment.ids)
        if not is_waiting(segment.turns[first:end], view.trace.poll_tools)
    ]


def _stretches(ids: Sequence[int]) -> list[tuple[int, int]]:
    """Return where windows of few different numbers lie, joined where they overlap."""
    window = STAGNATION.window
    most = STAGNATION.novelty_ratio * window
    seen: Counter[int] = Counter()
    found: list[tuple[int, int]] = []
    for end, one in enumerate(ids, 1):
        seen[one] += 1
        if end > window:
            gone = ids[end - window - 1]
            seen[gone] -= 1
            if not seen[gone]:
                del seen[gone]
        if end >= window and len(seen) <= most:
            first = end - window
            if found and first <= found[-1][1]:
                first = found.pop()[0]
            found.append((first, end))
    return found


def _loop(segment: Segment, first: int, end: int) -> Loop:
    lane = segment.lane
    known: set[int] = set()
    needed: list[int] = []
    wasted: list[int] = []
    for at in range(first, end):
        one = segment.ids[at]
        (wasted if one in known else needed).extend(segment.turns[at].places)
        known.add(one)
    warned = segment.turns[first + STAGNATION.window - 1].places[-1]
    size = end - first
    is_critical = size >= STAGNATION.critical_windows * STAGNATION.window
    last = segment.turns[end - 1].places[-1]
    return Loop(
        code="stagnation",
        lane=lane,
        severity="critical" if is_critical else "warning",
        first=places(lane, needed),
        wasted=places(lane, wasted),
        warn=sum(1 for number in wasted if number <= warned),
        period=len(known),
        copies=size // len(known),
        said=f"Of {size} steps in a row only {len(known)} were different, results included.",
        advice="Ask a person, or start again with what is known by now.",
        is_sure=False,
        is_last=last == len(lane.steps) - 1,
    )
