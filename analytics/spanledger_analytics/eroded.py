"""Traces of which a part has expired: what the ledger says about them stays.

Money outlives spans. When spans were removed and the trace is touched again, by a late span or by a
repricing, its calls cannot be derived anew: the ones whose spans are gone would vanish. So the
entries of such a trace are kept as they are, and only calls that none of them is about are added.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from spanledger_analytics.entries import Entry
from spanledger_analytics.reading import TraceGroup
from spanledger_analytics.spans import SpanKey
from spanledger_analytics.trajectories import Trajectory


class Erosion:
    """What of a group of traces has expired; made from what is stored and what was found."""

    def __init__(
        self, group: TraceGroup, entries: Iterable[Entry], trajectories: Iterable[Trajectory]
    ) -> None:
        found = {span.key for span in group.spans}
        stored = list(entries)
        gone = _gone(group, found, {key for entry in stored for key in entry.source_spans})
        self._before = {t.trajectory_id: t for t in trajectories}
        self._traces = {trace_id for trace_id, _ in gone}
        self._traces |= {
            t.trajectory_id
            for t in self._before.values()
            if t.root_span_id and (t.trajectory_id, t.root_span_id) not in found
        }
        self.kept = [
            entry
            for entry in stored
            if entry.trace_id in self._traces or any(key in gone for key in entry.source_spans)
        ]
        """Stored entries that stay as they are."""
        self._known = {key for entry in self.kept for key in entry.source_spans}
        self._kept_of: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in self.kept:
            self._kept_of[entry.trace_id].append(entry)

    def new(self, derived: list[Entry]) -> list[Entry]:
        """Return the derived entries that none of the kept ones is about."""
        if not self._traces:
            return derived
        return [entry for entry in derived if not self._is_known(entry)]

    def _is_known(self, entry: Entry) -> bool:
        if any(key in self._known for key in entry.source_spans):
            return True
        kept = self._kept_of.get(entry.trace_id, [])
        # Of a trace that said more once, a sum over calls would count those again.
        is_sum = entry.usage_source == "aggregate" and bool(kept)
        return is_sum or any(_is_repeat(entry, known) for known in kept)

    def carry(self, derived: list[Trajectory]) -> list[Trajectory]:
        """Return the trajectories with what they were known to be before a part expired."""
        return [
            _carried(self._before[t.trajectory_id], t)
            if t.trajectory_id in self._traces and t.trajectory_id in self._before
            else t
            for t in derived
        ]


def _gone(group: TraceGroup, found: set[SpanKey], sources: set[SpanKey]) -> set[SpanKey]:
    """Return the sources that are no longer stored."""
    missing = sources - found
    elsewhere = {trace_id for trace_id, _ in missing} - group.asked_traces
    return missing - group.keys_of(elsewhere) if elsewhere else missing


def _is_repeat(entry: Entry, known: Entry) -> bool:
    """Tell whether a late span is another view of a call whose spans are gone (rules R3, R4)."""
    start, end = entry.time_ns, entry.time_ns + entry.duration_ns
    first, last = known.time_ns, known.time_ns + known.duration_ns
    if start > last or end < first:
        return False
    if entry.response_id and entry.response_id == known.response_id:
        return True
    tokens = (entry.input_tokens, entry.output_tokens)
    if tokens not in ((None, None), (known.input_tokens, known.output_tokens)):
        return False
    return (first <= start and end <= last) or (start <= first and last <= end)


def _carried(before: Trajectory, now: Trajectory) -> Trajectory:
    """Return a trajectory of which only the later spans are left."""
    return now._replace(
        name=before.name,
        root_span_id=before.root_span_id or now.root_span_id,
        start_ns=min(before.start_ns, now.start_ns),
        end_ns=max(before.end_ns, now.end_ns),
        status="closed" if "closed" in (before.status, now.status) else "open",
        outcome=now.outcome or before.outcome,
        service_name=before.service_name or now.service_name,
        environment=before.environment or now.environment,
        agent_name=before.agent_name or now.agent_name,
        agents=_joined(before.agents, now.agents),
        session_id=before.session_id or now.session_id,
        user_id=before.user_id or now.user_id,
        task_id=before.task_id or now.task_id,
        span_count=max(before.span_count, now.span_count),
        error_count=max(before.error_count, now.error_count),
        tool_calls=max(before.tool_calls, now.tool_calls),
    )


def _joined(before: Collection[str], now: Collection[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*before, *now)))
