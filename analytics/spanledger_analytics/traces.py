"""Traces: one row each, from its spans and its ledger entries."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

import pyarrow as pa

from spanledger_analytics import _rows
from spanledger_analytics._rows import Stored
from spanledger_analytics.entries import Entry
from spanledger_analytics.intervals import flat
from spanledger_analytics.spans import Dimensions, Span, newest_versions
from spanledger_analytics.tools import derive_tool_calls
from spanledger_analytics.trace_costs import COST_KINDS, cost_parts, main_model
from spanledger_analytics.trace_shape import trace_shape
from spanledger_analytics.trace_times import trace_times
from spanledger_storage.store import Store


class Trace(NamedTuple):
    """One row of ``traces`` without the two columns that only say how new it is.

    Field names are column names, except ``start_ns`` and ``end_ns`` (UTC nanoseconds).
    """

    project: str
    trace_id: str
    name: str
    root_span_id: str
    start_ns: int
    end_ns: int
    status: str
    outcome: str
    score: float | None
    service_name: str
    environment: str
    agent_name: str
    agent_version: str
    workflow_name: str
    agents: tuple[str, ...]
    models: tuple[str, ...]
    main_model: str
    session_id: str
    user_id: str
    task_id: str
    dimensions: Dimensions
    span_count: int
    error_count: int
    llm_calls: int
    embedding_calls: int
    tool_calls: int
    unpriced_calls: int
    calls_without_usage: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    total_cost_usd: Decimal | None
    inference_cost_usd: Decimal
    tool_cost_usd: Decimal
    gpu_cost_usd: Decimal
    infra_cost_usd: Decimal
    depth: int
    fan_out: int
    critical_path_ns: int
    active_ns: int
    waiting_ns: int
    waiting_human_ns: int
    active_times: tuple[int, ...]
    waiting_times: tuple[int, ...]
    human_times: tuple[int, ...]
    began_in: str
    linked_traces: tuple[str, ...]
    linked_spans: tuple[str, ...]
    pause_spans: tuple[str, ...]
    pause_times: tuple[int, ...]
    pause_reasons: tuple[str, ...]
    call_lanes: tuple[str, ...]
    call_times: tuple[int, ...]
    call_prompts: tuple[int, ...]


_LOG = "log"  # the kind of a row made from a log record
_MODEL_CALLS = ("llm", "embedding")
_ID_DIGITS = 32
_COLUMNS = {"start_ns": "start_time", "end_ns": "end_time"}
TYPES: dict[str, pa.DataType] = {
    **dict.fromkeys(("agents", "models"), _rows.STRINGS),
    **dict.fromkeys(("start_ns", "end_ns"), _rows.TIME),
    **dict.fromkeys(
        (
            "span_count",
            "error_count",
            "llm_calls",
            "embedding_calls",
            "tool_calls",
            "unpriced_calls",
            "calls_without_usage",
            "depth",
            "fan_out",
        ),
        _rows.SMALL_COUNT,
    ),
    **dict.fromkeys(
        (
            "input_tokens",
            "cache_read_tokens",
            "cache_write_tokens",
            "output_tokens",
            "reasoning_tokens",
            "critical_path_ns",
            "active_ns",
            "waiting_ns",
            "waiting_human_ns",
        ),
        _rows.COUNT,
    ),
    "total_cost_usd": _rows.USD,
    "score": pa.float64(),
    "dimensions": _rows.NAMED_STRINGS,
}
"""Arrow types of the columns that traces and trajectories share, but for texts."""
_OWN_TYPES: dict[str, pa.DataType] = {
    **dict.fromkeys(
        ("linked_traces", "linked_spans", "pause_spans", "pause_reasons", "call_lanes"),
        _rows.STRINGS,
    ),
    **dict.fromkeys(
        ("active_times", "waiting_times", "human_times", "pause_times", "call_times"),
        pa.list_(pa.int64()),
    ),
    "call_prompts": pa.list_(_rows.COUNT),
    **dict.fromkeys((f"{kind}_cost_usd" for kind in COST_KINDS), _rows.USD),
}
_SCHEMA = pa.schema(
    [
        (_COLUMNS.get(name, name), {**TYPES, **_OWN_TYPES}.get(name, _rows.STRING))
        for name in Trace._fields
    ]
)


def derive_traces(project: str, spans: list[Span], entries: Iterable[Entry]) -> list[Trace]:
    """Return one row per trace in ``spans``, sorted by trace id; pure."""
    by_key = newest_versions(spans)
    by_trace: defaultdict[str, list[Span]] = defaultdict(list)
    for span in by_key.values():
        by_trace[span.trace_id].append(span)
    entries_of: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        entries_of[entry.trace_id].append(entry)
    tool_calls = Counter(span.trace_id for span in derive_tool_calls(by_key))
    return [
        _trace(
            project,
            sorted(by_trace[trace_id], key=_order),
            entries_of[trace_id],
            tool_calls[trace_id],
        )
        for trace_id in sorted(by_trace)
    ]


def _order(span: Span) -> tuple[int, int, str]:
    return span.start_ns, -span.end_ns, span.span_id


def _trace(project: str, spans: list[Span], entries: list[Entry], tool_calls: int) -> Trace:
    """Return the row of one trace; ``spans`` are its spans in order of start."""
    root = next((span for span in spans if not span.parent_span_id), None)
    first = root or spans[0]
    agents = [span.agent_name for span in spans if span.agent_name]
    outermost = [span.agent_name for span in spans if span.agent_name and span.role == "agent"]
    shown = _without_repeats(spans)
    kinds = Counter(entry.kind for entry in entries)
    costs = [e.total_cost_usd for e in entries if e.total_cost_usd is not None]
    agent_name = next(iter(outermost or agents), "")
    parts = cost_parts(entries)
    times = trace_times(shown)
    active_ns, waiting_ns, waiting_human_ns = times.lengths
    shape = trace_shape(shown, times.waits)
    told = _last_of(root, [span for span in spans if span.task_outcome])
    links = _links(spans)
    calls = _calls(entries)
    return Trace(
        project=project,
        trace_id=first.trace_id,
        name=first.name,
        root_span_id=root.span_id if root else "",
        start_ns=spans[0].start_ns,
        end_ns=max(span.end_ns for span in spans),
        status="open" if root is None or "pending" in root.flags else "closed",
        outcome=told.task_outcome if told else "",
        score=_score(told, root, spans),
        service_name=_first(first.service_name, (span.service_name for span in spans)),
        environment=_first(first.environment, (span.environment for span in spans)),
        agent_name=agent_name,
        agent_version=_first("", (s.agent_version for s in spans if s.agent_name == agent_name)),
        workflow_name=_first(first.workflow_name, (span.workflow_name for span in spans)),
        agents=tuple(dict.fromkeys(agents)),
        models=tuple(sorted({entry.model for entry in entries if entry.model})),
        main_model=main_model(entries),
        session_id=_first(first.session_id, (span.session_id for span in spans)),
        user_id=_first(first.user_id, (span.user_id for span in spans)),
        task_id=_first(first.task_id, (span.task_id for span in spans)),
        dimensions=_dimensions(first, spans),
        span_count=len(shown),
        error_count=sum(span.status == "error" for span in shown),
        llm_calls=kinds["llm"],
        embedding_calls=kinds["embedding"],
        tool_calls=tool_calls,
        unpriced_calls=sum(
            e.usage_source != "none" and e.price_status == "unpriced" for e in entries
        ),
        calls_without_usage=sum(
            e.usage_source == "none" and e.status != "error" and e.kind in _MODEL_CALLS
            for e in entries
        ),
        input_tokens=sum(entry.input_tokens or 0 for entry in entries),
        cache_read_tokens=sum(entry.cache_read_tokens or 0 for entry in entries),
        cache_write_tokens=sum(entry.cache_write_tokens or 0 for entry in entries),
        output_tokens=sum(entry.output_tokens or 0 for entry in entries),
        reasoning_tokens=sum(entry.reasoning_tokens or 0 for entry in entries),
        total_cost_usd=sum(costs, Decimal(0)) if costs else None,
        inference_cost_usd=parts["inference"],
        tool_cost_usd=parts["tool"],
        gpu_cost_usd=parts["gpu"],
        infra_cost_usd=parts["infra"],
        depth=shape.depth,
        fan_out=shape.fan_out,
        critical_path_ns=shape.critical_path_ns,
        active_ns=active_ns,
        waiting_ns=waiting_ns,
        waiting_human_ns=waiting_human_ns,
        active_times=flat(times.active),
        waiting_times=flat(times.waiting),
        human_times=flat(times.human),
        began_in=next((s.trajectory_id for s in spans if is_trace_id(s.trajectory_id)), ""),
        linked_traces=tuple(trace_id for trace_id, _ in links),
        linked_spans=tuple(span_id for _, span_id in links),
        pause_spans=tuple(pause.span_id for pause in times.pauses),
        pause_times=tuple(pause.since_ns for pause in times.pauses),
        pause_reasons=tuple(pause.reason for pause in times.pauses),
        call_lanes=tuple(lane for _, _, lane, _ in calls),
        call_times=tuple(time_ns for time_ns, _, _, _ in calls),
        call_prompts=tuple(prompt for _, _, _, prompt in calls),
    )


def is_trace_id(text: str) -> bool:
    """Return whether a text has the form of a trace id: 32 lower-case hex digits."""
    return len(text) == _ID_DIGITS and not text.strip("0123456789abcdef")


def _links(spans: list[Span]) -> list[tuple[str, str]]:
    """Return the distinct spans of other traces that these link to, in order."""
    found = {link: None for span in spans if span.linked for link in span.links}
    return [link for link in found if link[0] != spans[0].trace_id]


def _calls(entries: list[Entry]) -> list[tuple[int, str, str, int]]:
    """Return time, entry, agent and prompt of the LLM calls whose prompt is known, by time."""
    return sorted(
        (entry.time_ns, entry.entry_id, entry.agent_name, entry.input_tokens)
        for entry in entries
        if entry.kind == "llm" and entry.input_tokens is not None
    )


def _last_of(root: Span | None, spans: list[Span]) -> Span | None:
    """Return the root if it is one of these, else the one that ended last."""
    if root in spans:
        return root
    return max(spans, key=lambda span: (span.end_ns, span.start_ns, span.span_id), default=None)


def _score(told: Span | None, root: Span | None, spans: list[Span]) -> float | None:
    """Return the score of the span that tells the outcome, else the last one without an outcome.

    A score that was given to another outcome says nothing about this one.
    """
    scored = [s for s in spans if s.task_score is not None and 0 <= s.task_score <= 1]
    if told in scored:
        return told.task_score if told else None
    last = _last_of(root, [span for span in scored if not span.task_outcome])
    return last.task_score if last else None


def _dimensions(first: Span, spans: list[Span]) -> Dimensions:
    """Return the first value of each dimension, the root's before others."""
    if not any(span.dimensions for span in spans):
        return ()
    found: dict[str, str] = {}
    for span in (first, *spans):
        for name, value in span.dimensions:
            found.setdefault(name, value)
    return tuple(sorted(found.items()))


def _without_repeats(spans: list[Span]) -> list[Span]:
    """Leave out what was made from log records and only repeats a span of this trace.

    A record repeats the span it was written in unless it tells of a call that no span below that
    one is about. The tree of the dashboard shows by the same rule.
    """
    roles = {span.span_id: span.role for span in spans if span.kind != _LOG}
    if len(roles) == len(spans):
        return spans
    below = {(span.parent_span_id, span.role) for span in spans if span.kind != _LOG}
    return [
        span
        for span in spans
        if span.kind != _LOG
        or span.parent_span_id not in roles
        or (
            span.role not in ("other", roles[span.parent_span_id])
            and (span.parent_span_id, span.role) not in below
        )
    ]


def _first(preferred: str, values: Iterable[str]) -> str:
    return preferred or next((value for value in values if value), "")


def read_traces(store: Store, pairs: Iterable[dict[str, object]]) -> Stored[Trace]:
    """Return the stored rows of some traces; ``pairs`` as of TraceGroup.pair_params."""
    tables = (store.arrow("traces_stored", params) for params in pairs)
    return Stored.of(tables, Trace._fields, Trace._make)


def write_traces(store: Store, stored: Stored[Trace], derived: list[Trace], version: int) -> int:
    """Write what changed in one insert; return the number of rows, tombstones included.

    When the start moves to another hour, the row under the old hour gets a tombstone.
    """
    written, removed = _rows.diff(stored.rows, derived, _sort_key)
    if not written and not removed:
        return 0
    version = stored.newer(version)
    rows = _rows.to_arrow(written, removed, _SCHEMA, version)
    store.insert("traces", rows, token=_rows.insert_token("traces", rows, version))
    return len(written) + len(removed)


def _sort_key(row: Trace) -> tuple[str, int, str]:
    return row.project, row.start_ns // _rows.HOUR_NS, row.trace_id
