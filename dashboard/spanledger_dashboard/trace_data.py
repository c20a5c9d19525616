"""Reads one trace: where it lies, its tree, what its calls cost, one span in full."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

import pyarrow as pa

from spanledger_storage.store import Store

Row = dict[str, object]
_HOUR_S = 3_600


@dataclass(frozen=True, slots=True)
class TraceKey:
    """Names a trace and says where to read it.

    Attributes:
        trace_id: 32 hex digits.
        hours_s: unix seconds of the hours its spans start in, so that no table is scanned.
    """

    project: str
    trace_id: str
    hours_s: tuple[int, ...]

    @property
    def params(self) -> dict[str, object]:
        """Parameters every statement on one trace takes."""
        return {
            "project": self.project,
            "trace_id": self.trace_id,
            "hours_s": list(self.hours_s),
        }


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace as read.

    Attributes:
        spans: columns as in dashboard_trace_tree.sql, one row per span, by start.
        entries: rows as in dashboard_trace_entries.sql, one per ledger entry.
        summary: the row of dashboard_trajectory.sql; None while the jobs have not seen the trace.
    """

    key: TraceKey
    spans: pa.Table
    entries: tuple[Row, ...]
    summary: Row | None


def find_trace(store: Store, trace_id: str, preferred_project: str) -> TraceKey | None:
    """Return where a trace lies, or None when no span of it has arrived.

    A link names no project: the preferred one wins when two projects hold the same trace id.
    """
    found = store.rows("dashboard_trace_hours", {"trace_id": trace_id})
    found.sort(key=lambda row: row["project"] != preferred_project)
    if not found:
        return None
    hours = cast("list[int]", found[0]["hours_s"])
    return TraceKey(str(found[0]["project"]), trace_id, tuple(int(h) for h in hours))


def load_trace(store: Store, key: TraceKey) -> Trace:
    """Read the tree and the costs of a trace.

    Raises:
        StoreError: the store does not answer.
    """
    summary = store.rows("dashboard_trajectory", key.params)
    return Trace(
        key=key,
        spans=store.arrow("dashboard_trace_tree", key.params),
        entries=tuple(store.rows("dashboard_trace_entries", key.params)),
        summary=summary[0] if summary else None,
    )


def load_span(store: Store, key: TraceKey, span_id: str) -> Row | None:
    """Read one span in full (dashboard_span_detail.sql), or None when it does not exist."""
    rows = store.rows("dashboard_span_detail", {**key.params, "span_id": span_id})
    return rows[0] if rows else None


def load_span_entries(store: Store, key: TraceKey, span_id: str) -> list[Row]:
    """Read the ledger entries a span was counted in, its own first.

    The hours next to the trace's are read too: the primary span of a merged call may lie in
    another trace that began a little earlier.
    """
    hours = sorted({h + d for h in key.hours_s for d in (-_HOUR_S, 0, _HOUR_S)})
    return store.rows(
        "dashboard_span_entries", {**key.params, "span_id": span_id, "hours_s": hours}
    )


def load_messages(store: Store, project: str, hashes: Iterable[str]) -> dict[str, str]:
    """Read messages by their hash (hex): canonical JSON by hash; what is not stored is missing."""
    wanted = sorted(set(hashes))
    if not wanted:
        return {}
    rows = store.rows("dashboard_messages", {"project": project, "hashes": wanted})
    return {str(r["hash"]): str(r["content"]) for r in rows}


@dataclass(frozen=True, slots=True)
class TraceSums:
    """What a trace adds up to.

    Attributes:
        cost_usd: sum of what is priced; None when no call has a known price.
        unpriced_calls: calls with usage and no price.
        calls_without_usage: calls no token count is known of.
        duration_ns: first start to last end.
        start_ns: unix ns of the first start.
    """

    spans: int
    errors: int
    llm_calls: int
    tokens: int
    cost_usd: Decimal | None
    unpriced_calls: int
    calls_without_usage: int
    start_ns: int
    duration_ns: int


def sums(trace: Trace) -> TraceSums:
    """Return what a trace with at least one span adds up to."""
    starts = trace.spans["start_ns"].to_numpy()
    ends = starts + trace.spans["duration_ns"].to_numpy().astype("int64")
    costs = [
        cast("Decimal", e["total_cost_usd"])
        for e in trace.entries
        if e["total_cost_usd"] is not None
    ]
    return TraceSums(
        spans=trace.spans.num_rows,
        errors=trace.spans["status"].to_pylist().count("error"),
        llm_calls=sum(e["kind"] == "llm" for e in trace.entries),
        tokens=sum(
            cast("int", e[c] or 0) for e in trace.entries for c in ("input_tokens", "output_tokens")
        ),
        cost_usd=sum(costs, Decimal(0)) if costs else None,
        unpriced_calls=sum(is_unpriced(e) for e in trace.entries),
        calls_without_usage=sum(e["usage_source"] == "none" for e in trace.entries),
        start_ns=int(starts.min()),
        duration_ns=int(ends.max() - starts.min()),
    )


def is_unpriced(entry: Row) -> bool:
    """Return whether the usage of an entry is known and its price is not."""
    return entry["total_cost_usd"] is None and entry["usage_source"] != "none"


def first_span_id(trace: Trace) -> str:
    """Return the span a trace is read from first: its earliest root, else its earliest span.

    A root has no parent here: none at all, or one that has not arrived.
    """
    ids = cast("list[str]", trace.spans["span_id"].to_pylist())
    known = set(ids)
    parents = cast("list[str]", trace.spans["parent_span_id"].to_pylist())
    roots = (i for i, parent in zip(ids, parents, strict=True) if parent not in known)
    return next(roots, ids[0])
