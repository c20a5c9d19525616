"""Trajectories: one row per trace, from its spans and its ledger entries."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

import pyarrow as pa

from spanledger_analytics import _rows
from spanledger_analytics._rows import Stored
from spanledger_analytics.entries import Entry
from spanledger_analytics.spans import Span, newest_versions
from spanledger_analytics.tools import derive_tool_calls
from spanledger_storage.store import Store


class Trajectory(NamedTuple):
    """One row of ``trajectories`` without the two columns that only say how new it is.

    Field names are column names, except ``start_ns`` and ``end_ns`` (UTC nanoseconds).
    """

    project: str
    trajectory_id: str
    trace_ids: tuple[str, ...]
    name: str
    root_span_id: str
    start_ns: int
    end_ns: int
    status: str
    outcome: str
    service_name: str
    environment: str
    agent_name: str
    agents: tuple[str, ...]
    models: tuple[str, ...]
    session_id: str
    user_id: str
    task_id: str
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


_LOG = "log"  # the kind of a row made from a log record
_COLUMNS = {"start_ns": "start_time", "end_ns": "end_time"}
_TYPES = {
    **dict.fromkeys(("trace_ids", "agents", "models"), _rows.STRINGS),
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
        ),
        _rows.COUNT,
    ),
    "total_cost_usd": _rows.USD,
}
_SCHEMA = pa.schema(
    [(_COLUMNS.get(name, name), _TYPES.get(name, _rows.STRING)) for name in Trajectory._fields]
)


def derive_trajectories(
    project: str, spans: list[Span], entries: Iterable[Entry]
) -> list[Trajectory]:
    """Return one trajectory per trace in ``spans``, sorted by trace id; pure."""
    by_key = newest_versions(spans)
    by_trace: defaultdict[str, list[Span]] = defaultdict(list)
    for span in by_key.values():
        by_trace[span.trace_id].append(span)
    entries_of: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        entries_of[entry.trajectory_id].append(entry)
    tool_calls = Counter(span.trace_id for span in derive_tool_calls(by_key))
    return [
        _trajectory(
            project,
            sorted(by_trace[trace_id], key=_order),
            entries_of[trace_id],
            tool_calls[trace_id],
        )
        for trace_id in sorted(by_trace)
    ]


def _order(span: Span) -> tuple[int, int, str]:
    return span.start_ns, -span.end_ns, span.span_id


def _trajectory(
    project: str, spans: list[Span], entries: list[Entry], tool_calls: int
) -> Trajectory:
    """Return the trajectory of one trace; ``spans`` are its spans in order of start."""
    root = next((span for span in spans if not span.parent_span_id), None)
    first = root or spans[0]
    agents = [span.agent_name for span in spans if span.agent_name]
    outermost = [span.agent_name for span in spans if span.agent_name and span.role == "agent"]
    shown = _without_repeats(spans)
    kinds = Counter(entry.kind for entry in entries)
    costs = [e.total_cost_usd for e in entries if e.total_cost_usd is not None]
    return Trajectory(
        project=project,
        trajectory_id=first.trace_id,
        trace_ids=(first.trace_id,),
        name=first.name,
        root_span_id=root.span_id if root else "",
        start_ns=spans[0].start_ns,
        end_ns=max(span.end_ns for span in spans),
        status="open" if root is None or "pending" in root.flags else "closed",
        outcome=_first(first.task_outcome, (span.task_outcome for span in spans)),
        service_name=_first(first.service_name, (span.service_name for span in spans)),
        environment=_first(first.environment, (span.environment for span in spans)),
        agent_name=next(iter(outermost or agents), ""),
        agents=tuple(dict.fromkeys(agents)),
        models=tuple(sorted({entry.model for entry in entries if entry.model})),
        session_id=_first(first.session_id, (span.session_id for span in spans)),
        user_id=_first(first.user_id, (span.user_id for span in spans)),
        task_id=_first(first.task_id, (span.task_id for span in spans)),
        span_count=len(shown),
        error_count=sum(span.status == "error" for span in shown),
        llm_calls=kinds["llm"],
        embedding_calls=kinds["embedding"],
        tool_calls=tool_calls,
        unpriced_calls=sum(
            e.usage_source != "none" and e.price_status == "unpriced" for e in entries
        ),
        calls_without_usage=sum(e.usage_source == "none" and e.status != "error" for e in entries),
        input_tokens=sum(entry.input_tokens or 0 for entry in entries),
        cache_read_tokens=sum(entry.cache_read_tokens or 0 for entry in entries),
        cache_write_tokens=sum(entry.cache_write_tokens or 0 for entry in entries),
        output_tokens=sum(entry.output_tokens or 0 for entry in entries),
        reasoning_tokens=sum(entry.reasoning_tokens or 0 for entry in entries),
        total_cost_usd=sum(costs, Decimal(0)) if costs else None,
    )


def _without_repeats(spans: list[Span]) -> list[Span]:
    """Leave out what was made from log records and only repeats a span of this trace.

    A record repeats the span it was written in unless it tells of a call that no span below that
    one is about. dashboard_trace_tree.sql shows by the same rule.
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


def read_stored(store: Store, pairs: Iterable[dict[str, object]]) -> Stored[Trajectory]:
    """Return the stored trajectories of a group; ``pairs`` as of TraceGroup.pair_params."""
    tables = (store.arrow("trajectories_stored", params) for params in pairs)
    return Stored.of(tables, Trajectory._fields, Trajectory._make)


def write(store: Store, stored: Stored[Trajectory], derived: list[Trajectory], version: int) -> int:
    """Write what changed in one insert; return the number of rows, tombstones included.

    When the start moves to another hour, the row under the old hour gets a tombstone.
    """
    written, removed = _rows.diff(stored.rows, derived, _sort_key)
    if not written and not removed:
        return 0
    version = stored.newer(version)
    rows = _rows.to_arrow(written, removed, _SCHEMA, version)
    store.insert("trajectories", rows, token=_rows.insert_token("trajectories", rows, version))
    return len(written) + len(removed)


def _sort_key(row: Trajectory) -> tuple[str, int, str]:
    return row.project, row.start_ns // _rows.HOUR_NS, row.trajectory_id
