"""Reads one trace: where it lies, its tree, what its calls cost, one span in full."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from spanledger_dashboard.read_ahead import begin
from spanledger_dashboard.trace.columns import is_any, is_known, rows_of, whole
from spanledger_dashboard.trace.tree import load_tree
from spanledger_storage.store import Store

if TYPE_CHECKING:
    from concurrent.futures import Future

    import numpy as np
    from numpy.typing import NDArray

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
        spans: columns as load_tree says, one row per span, by start.
        calls: columns as in dashboard_trace_entries.sql, one row per ledger entry, by time.
        summary: the row of dashboard_trace.sql; None while the jobs have not seen the trace.
        findings: rows of dashboard_trace_findings.sql, the dearest first.
    """

    key: TraceKey
    spans: pa.Table
    calls: pa.Table
    summary: Row | None
    findings: tuple[Row, ...] = ()

    @property
    def entries(self) -> list[Row]:
        """The calls as dicts, made anew each time: not for every span of a large trace."""
        return cast("list[Row]", self.calls.to_pylist())


def find_trace(
    store: Store, trace_id: str, preferred_project: str, allowed: Collection[str] | None = None
) -> TraceKey | None:
    """Return where a trace lies, or None when no span of it has arrived.

    A link names no project: the preferred one wins when two projects hold the same trace id.

    Args:
        store: the telemetry store.
        trace_id: 32 hex digits.
        preferred_project: the one people look at.
        allowed: projects the reader may see; in others there is nothing. None: all.
    """
    found = [
        row
        for row in store.rows("dashboard_trace_hours", {"trace_id": trace_id})
        if allowed is None or row["project"] in allowed
    ]
    found.sort(key=lambda row: row["project"] != preferred_project)
    if not found:
        return None
    hours = cast("list[int]", found[0]["hours_s"])
    return TraceKey(str(found[0]["project"]), trace_id, tuple(int(h) for h in hours))


def load_trace(store: Store, key: TraceKey, tree: Future[pa.Table] | None = None) -> Trace:
    """Read the tree and the costs of a trace.

    Args:
        store: the telemetry store.
        key: the trace.
        tree: its tree (load_tree) where somebody has begun to read it already.

    Raises:
        StoreError: the store does not answer.
    """
    calls = begin(lambda: store.arrow("dashboard_trace_entries", key.params))
    summary = begin(lambda: load_summary(store, key))
    findings = begin(lambda: store.rows("dashboard_trace_findings", key.params))
    return Trace(
        key=key,
        spans=tree.result() if tree else load_tree(store, key.project, key.trace_id),
        calls=calls.result(),
        summary=summary.result(),
        findings=tuple(findings.result()),
    )


def load_summary(store: Store, key: TraceKey) -> Row | None:
    """Read what is known of a trace as a whole (dashboard_trace.sql)."""
    rows = store.rows("dashboard_trace", key.params)
    return rows[0] if rows else None


def load_span(store: Store, key: TraceKey, span_id: str) -> Row | None:
    """Read one span in full (dashboard_span_detail.sql), or None when it does not exist."""
    rows = store.rows("dashboard_span_detail", {**key.params, "span_id": span_id})
    return rows[0] if rows else None


def load_raw(store: Store, key: TraceKey, span_id: str) -> Row | None:
    """Read the attributes of a span (dashboard_span_raw.sql), or None when it does not exist."""
    rows = store.rows("dashboard_span_raw", {**key.params, "span_id": span_id})
    return rows[0] if rows else None


def load_span_entries(
    store: Store, key: TraceKey, span_id: str, *, is_call: bool = True
) -> list[Row]:
    """Read the ledger entries a span was counted in, its own first.

    Where its own trace has none, and it is a call, the traces of the hours around are read too:
    the primary span of a merged call may lie in one that began a little earlier.
    """
    params = {**key.params, "span_id": span_id}
    found = store.rows("dashboard_span_entries", {**params, "is_wide": False})
    if found or not is_call:
        return found
    wide = {**params, "hours_s": neighbour_hours(key), "is_wide": True}
    return store.rows("dashboard_span_entries", wide)


def neighbour_hours(key: TraceKey) -> list[int]:
    """Return the hours of a trace and those next to them, unix seconds."""
    return sorted({h + d for h in key.hours_s for d in (-_HOUR_S, 0, _HOUR_S)})


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
        unpriced_calls: calls with usage and no price, though a provider charges for them.
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
    calls = trace.calls
    has_cost = bool(is_known(calls["total_cost_usd"]).any())
    is_due = are_unpriced(calls) & ~is_any(calls["price_status"], "self_hosted")
    return TraceSums(
        spans=trace.spans.num_rows,
        errors=int(is_any(trace.spans["status"], "error").sum()),
        llm_calls=int(is_any(calls["kind"], "llm").sum()),
        tokens=sum(int(whole(calls[c]).sum()) for c in ("input_tokens", "output_tokens")),
        cost_usd=_money(calls["total_cost_usd"]) if has_cost else None,
        unpriced_calls=int(is_due.sum()),
        calls_without_usage=int(is_any(calls["usage_source"], "none").sum()),
        start_ns=int(starts.min()),
        duration_ns=int(ends.max() - starts.min()),
    )


def are_unpriced(calls: pa.Table) -> NDArray[np.bool_]:
    """Return for each call whether its usage is known and its price is not."""
    return ~is_known(calls["total_cost_usd"]) & ~is_any(calls["usage_source"], "none")


def first_span_id(trace: Trace) -> str:
    """Return the span a trace is read from first: its earliest root, else its earliest span.

    A root has no parent here: none at all, or one that has not arrived.
    """
    ids = trace.spans["span_id"]
    is_root = rows_of(trace.spans["parent_span_id"], ids) < 0
    return str(ids[int(is_root.argmax())])  # the first row where no span is a root


def _money(column: pa.ChunkedArray[Any]) -> Decimal:
    return cast("Decimal", pc.sum(column).as_py())
