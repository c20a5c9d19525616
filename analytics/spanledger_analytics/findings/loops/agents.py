"""The runs of agents of a trace as a tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spanledger_analytics.findings.finding import SpanRef
from spanledger_analytics.findings.lanes import Lane
from spanledger_analytics.findings.loops.loop import Place


@dataclass(frozen=True, slots=True)
class AgentTree:
    """Runs of agents by the run above them, each list by start."""

    below: dict[SpanRef | None, list[Lane]]

    @classmethod
    def of(cls, lanes: Sequence[Lane]) -> AgentTree:
        """Return the tree of a trace; runs below one that is not known are at the top."""
        known = {lane.ref for lane in lanes}
        below: dict[SpanRef | None, list[Lane]] = {}
        for lane in lanes:
            above = lane.parent if lane.parent in known and lane.parent != lane.ref else None
            below.setdefault(above, []).append(lane)
        for children in below.values():
            children.sort(key=lambda lane: (lane.start_ns, lane.ref))
        return cls(below)

    def under(self, lane: Lane) -> Iterator[Lane]:
        """Yield a run and all below it, each once."""
        seen: set[SpanRef] = set()
        waiting = [lane]
        while waiting:
            one = waiting.pop()
            if one.ref not in seen:
                seen.add(one.ref)
                yield one
                waiting.extend(reversed(self.below.get(one.ref, ())))

    def steps(self, lane: Lane) -> list[Place]:
        """Return all steps of a run and of those below it."""
        return [Place(one, number) for one in self.under(lane) for number in range(len(one.steps))]
