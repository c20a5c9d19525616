"""Traces of which a part has expired: what the ledger says about them stays.

Money outlives spans. When spans were removed and the trace is touched again, by a late span or by a
repricing, its calls cannot be derived anew: the ones whose spans are gone would vanish. So the
entries of such a trace are kept as they are, and only calls that none of them is about are added.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from spanledger_analytics.entries import MODEL_KINDS, Entry
from spanledger_analytics.intervals import flat, length, paired, union, without
from spanledger_analytics.reading import TraceGroup
from spanledger_analytics.spans import SpanKey
from spanledger_analytics.traces import Trace


class Erosion:
    """What of a group of traces has expired; made from what is stored and what was found."""

    def __init__(
        self, group: TraceGroup, entries: Iterable[Entry], traces: Iterable[Trace]
    ) -> None:
        found = {span[:2] for span in group.spans}
        stored = list(entries)
        gone = _gone(group, found, {key for entry in stored for key in entry.source_spans})
        self._before = {t.trace_id: t for t in traces}
        self._traces = {trace_id for trace_id, _ in gone}
        self._traces |= {
            t.trace_id
            for t in self._before.values()
            if t.root_span_id and (t.trace_id, t.root_span_id) not in found
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

    def carry(self, derived: list[Trace]) -> list[Trace]:
        """Return the rows of traces with what they were known to be before a part expired."""
        return [
            _carried(self._before[t.trace_id], t)
            if t.trace_id in self._traces and t.trace_id in self._before
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
    if start > last or end < first or not _is_one_kind(entry, known):
        return False
    if entry.response_id and entry.response_id == known.response_id:
        return True
    tokens = (entry.input_tokens, entry.output_tokens)
    if tokens not in ((None, None), (known.input_tokens, known.output_tokens)):
        return False
    return (first <= start and end <= last) or (start <= first and last <= end)


def _is_one_kind(entry: Entry, known: Entry) -> bool:
    """Tell whether both are model calls, or both executions of one tool."""
    return (entry.kind in MODEL_KINDS) == (known.kind in MODEL_KINDS) and (
        entry.tool_name == known.tool_name
    )


def _carried(before: Trace, now: Trace) -> Trace:
    """Return the row of a trace of which only the later spans are left."""
    return _with_ties(before, _with_times(before, now))._replace(
        name=before.name,
        root_span_id=before.root_span_id or now.root_span_id,
        start_ns=min(before.start_ns, now.start_ns),
        end_ns=max(before.end_ns, now.end_ns),
        status="closed" if "closed" in (before.status, now.status) else "open",
        outcome=now.outcome or before.outcome,
        score=before.score if now.score is None else now.score,
        service_name=before.service_name or now.service_name,
        environment=before.environment or now.environment,
        agent_name=before.agent_name or now.agent_name,
        agent_version=_version(before, now),
        workflow_name=before.workflow_name or now.workflow_name,
        agents=_joined(before.agents, now.agents),
        session_id=before.session_id or now.session_id,
        user_id=before.user_id or now.user_id,
        task_id=before.task_id or now.task_id,
        dimensions=tuple(sorted({**dict(now.dimensions), **dict(before.dimensions)}.items())),
        span_count=max(before.span_count, now.span_count),
        error_count=max(before.error_count, now.error_count),
        tool_calls=max(before.tool_calls, now.tool_calls),
        depth=max(before.depth, now.depth),
        fan_out=max(before.fan_out, now.fan_out),
        critical_path_ns=max(before.critical_path_ns, now.critical_path_ns),
    )


def _version(before: Trace, now: Trace) -> str:
    """Return the version of the agent that the row names."""
    if not before.agent_name or before.agent_name == now.agent_name:
        return before.agent_version or now.agent_version
    return before.agent_version


def _with_times(before: Trace, now: Trace) -> Trace:
    """Return ``now`` with what it was known to have done and waited for before."""
    active = union((*paired(before.active_times), *paired(now.active_times)))
    waited = union((*paired(before.waiting_times), *paired(now.waiting_times)))
    asked = union((*paired(before.human_times), *paired(now.human_times)))
    waiting, human = without(waited, active), without(asked, active)
    return now._replace(
        active_ns=length(active),
        waiting_ns=length(waiting),
        waiting_human_ns=length(human),
        active_times=flat(active),
        waiting_times=flat(waiting),
        human_times=flat(human),
    )


def _with_ties(before: Trace, now: Trace) -> Trace:
    """Return ``now`` with the links and pauses that it was known to have before."""
    links: dict[SpanKey, None] = {}
    pauses: dict[str, tuple[int, str]] = {}
    for row in (before, now):
        links.update(dict.fromkeys(zip(row.linked_traces, row.linked_spans, strict=True)))
        known = zip(row.pause_times, row.pause_reasons, strict=True)
        pauses.update(zip(row.pause_spans, known, strict=True))
    return now._replace(
        began_in=before.began_in or now.began_in,
        linked_traces=tuple(trace_id for trace_id, _ in links),
        linked_spans=tuple(span_id for _, span_id in links),
        pause_spans=tuple(pauses),
        pause_times=tuple(since for since, _ in pauses.values()),
        pause_reasons=tuple(reason for _, reason in pauses.values()),
    )


def _joined(before: Collection[str], now: Collection[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*before, *now)))
