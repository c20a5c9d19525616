"""Which traces are one trajectory, and by which id it is known: pure.

Traces that hold the same key are one trajectory, and so on from trace to trace. A key that more
than MAX_TRACES_OF_KEY traces hold ties nothing: it is the id of a test double, or of everything.

A trajectory has the id of its first trace by start (then by trace id), or of the trace that this
one says the trajectory began in. The same traces have the same id, in whatever order they came; a
trace that comes later changes the id only if it began before all others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from spanledger_analytics.traces import Trace
from spanledger_analytics.trajectories import in_order
from spanledger_analytics.trajectory_keys import EXPLICIT, Key, named_trace

MAX_TRACES_OF_KEY = 1_000
MAX_TRACES = 10_000
"""A trajectory does not grow beyond this: what would join it stays on its own."""

Holders = Mapping[Key, Collection[str]]
"""By key: the traces that hold it."""


class Group(NamedTuple):
    """One trajectory: its traces as ``in_order`` returns them."""

    trajectory_id: str
    traces: list[Trace]


class Union:
    """Sets of traces that are joined again and again."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}
        self._sizes: dict[str, int] = {}
        self.refused: set[str] = set()
        """Traces of sets that were not joined because they are too large."""

    def find(self, trace_id: str) -> str:
        """Return the trace that stands for the set this one is in."""
        at = trace_id
        while (above := self._above.get(at, at)) != at:
            at = above
        while self._above.get(trace_id, trace_id) != at:
            self._above[trace_id], trace_id = at, self._above[trace_id]
        return at

    def join(self, trace_ids: Iterable[str]) -> None:
        """Make one set of those that these traces are in."""
        names = sorted(set(trace_ids))
        for name in names[1:]:
            one, other = sorted((self.find(names[0]), self.find(name)))
            if one == other:
                continue
            size = self._sizes.get(one, 1) + self._sizes.get(other, 1)
            if size > MAX_TRACES:
                self.refused |= {one, other}
                continue
            self._above[other] = one
            self._sizes[one] = size

    def is_refused(self, trace_id: str) -> bool:
        """Return whether the set this trace is in was too large for a part of it."""
        root = self.find(trace_id)
        return any(self.find(one) == root for one in self.refused)


def is_live(holders: Collection[str]) -> bool:
    """Return whether a key ties the traces that hold it."""
    return len(holders) <= MAX_TRACES_OF_KEY


def joined(holders: Holders, members: Iterable[Collection[str]]) -> Union:
    """Return the sets of traces that keys tie, and that are known to belong together."""
    union = Union()
    for known in members:
        union.join(known)
    for key, traces in sorted(holders.items()):
        if is_live(traces):
            named = named_trace(key)
            union.join((*traces, named) if named else traces)
    return union


def groups(
    traces: Iterable[Trace], union: Union, labels: Mapping[str, str], holders: Holders
) -> list[Group]:
    """Return the trajectories of some traces, by id.

    Args:
        traces: all traces of these trajectories.
        union: which of them belong together.
        labels: by trace, the id of the trajectory it was part of so far.
        holders: of the explicit keys of traces that come first, beside others.
    """
    sets: defaultdict[str, list[Trace]] = defaultdict(list)
    for trace in traces:
        sets[union.find(trace.trace_id)].append(trace)
    found = [in_order(one) for one in sets.values()]
    made = [Group(_trajectory_id(one, union, labels, holders), one) for one in found]
    return sorted(made, key=lambda group: group.trajectory_id)


def _trajectory_id(
    traces: list[Trace], union: Union, labels: Mapping[str, str], holders: Holders
) -> str:
    first = traces[0]
    named = first.began_in
    if not named or named == first.trace_id or (union.refused and union.is_refused(first.trace_id)):
        return first.trace_id
    if union.find(named) == union.find(first.trace_id) or labels.get(first.trace_id) == named:
        return named
    is_ours = first.trace_id in holders.get((EXPLICIT, named), ())
    return named if is_ours and is_live(holders[EXPLICIT, named]) else first.trace_id
