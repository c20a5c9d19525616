"""Batching: who was in the model when, and whose share of a time that is.

Between two events (a request enters, changes its phase, leaves) the GPU's time is shared by the
requests in flight in proportion to their weights. Going through the events once gives for every
phase the integral of its share, in whole numbers, so that the order in which requests came never
matters.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from spanledger_analytics.gpu_cost.requests import Phase

_SCALE = 1 << 80  # finer than any amount of money divided by it


class Share(NamedTuple):
    """What part of a window a phase had: ``weight`` against those of the other shares."""

    owner: int
    phase: int
    weight: int


class Flight(NamedTuple):
    """A window's requests in flight: for how long there were any, and their shares."""

    covered_ns: int
    shares: tuple[Share, ...]


def flight(phases: Sequence[tuple[int, Phase]], start_ns: int, end_ns: int) -> Flight:
    """Return how a window [start_ns, end_ns) is shared by phases, given with their owners.

    Weights are proportional to the phase's share of the covered time: alone in the window, a phase
    has all of it; two with equal weights have half each while both are there.
    """
    changes: defaultdict[int, int] = defaultdict(int)
    clipped: list[tuple[int, int, int, Phase]] = []
    for owner, phase in phases:
        begin, end = max(phase.start_ns, start_ns), min(phase.end_ns, end_ns)
        if begin < end:
            clipped.append((owner, begin, end, phase))
            changes[begin] += phase.weight
            changes[end] -= phase.weight
    covered, area, in_flight, before = 0, 0, 0, start_ns
    area_at: dict[int, int] = {}
    for at in sorted(changes):
        if in_flight:
            covered += at - before
            area += (at - before) * _SCALE // in_flight
        area_at[at] = area
        in_flight += changes[at]
        before = at
    shares = tuple(
        Share(owner, phase.phase, phase.weight * (area_at[end] - area_at[begin]))
        for owner, begin, end, phase in clipped
    )
    return Flight(covered, shares)
