"""How a trajectory spent its time over all its traces, and what it still waits for."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from spanledger_analytics.intervals import Interval, paired, union, without
from spanledger_analytics.spans import SpanKey
from spanledger_analytics.trace_times import HUMAN, INTERRUPT, Pause
from spanledger_analytics.traces import Trace


class TrajectoryTimes(NamedTuple):
    """Intervals that do not overlap, but ``human`` is in ``waiting``.

    ``pauses`` are those after which nothing went on.
    """

    active: list[Interval]
    waiting: list[Interval]
    human: list[Interval]
    pauses: list[Pause]

    @property
    def waits_for(self) -> str:
        """Whom or what it has been waiting for since the last pause; empty: it does not wait."""
        if not self.pauses:
            return ""
        newest = max(self.pauses, key=lambda pause: (pause.since_ns, pause.span_id))
        return HUMAN if newest.reason == INTERRUPT else newest.reason


def trajectory_times(traces: Sequence[Trace]) -> TrajectoryTimes:
    """Return how the time was spent; ``traces`` by start.

    Work of one trace counts as work while another one waits. A pause of our SDK ends when a trace
    begins that links to it; the interrupt of a framework when any trace begins after it.
    """
    gaps: list[Interval] = []
    human_gaps: list[Interval] = []
    left: list[Pause] = []
    starts = [trace.start_ns for trace in traces]
    linked = _linked(traces)
    for trace in traces:
        for pause in map(Pause, trace.pause_spans, trace.pause_times, trace.pause_reasons):
            if pause.reason == INTERRUPT:
                after = starts[bisect_right(starts, pause.since_ns) :][:1]
            else:
                after = linked.get((trace.trace_id, pause.span_id), [])
            if not after:
                left.append(pause)
                continue
            gap = (pause.since_ns, min(after))
            gaps.append(gap)
            if pause.reason in (HUMAN, INTERRUPT):
                human_gaps.append(gap)
    active = union(_times(traces, "active_times"))
    waiting = union([*_times(traces, "waiting_times"), *gaps])
    human = union([*_times(traces, "human_times"), *human_gaps])
    return TrajectoryTimes(active, without(waiting, active), without(human, active), left)


def _times(traces: Sequence[Trace], name: str) -> list[Interval]:
    return [pair for trace in traces for pair in paired(getattr(trace, name))]


def _linked(traces: Sequence[Trace]) -> dict[SpanKey, list[int]]:
    """Return when traces began that link to a span."""
    starts: defaultdict[SpanKey, list[int]] = defaultdict(list)
    for trace in traces:
        for key in zip(trace.linked_traces, trace.linked_spans, strict=True):
            starts[key].append(trace.start_ns)
    return starts
