"""Reads the spans of a trace as rows of its tree, in one statement."""

from __future__ import annotations

from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from spanledger_storage.store import Store

_ORDER: list[tuple[str, str]] = [("start_time", "ascending"), ("span_id", "ascending")]
_STORED_ONLY = ["start_time", "end_time", "request_model", "response_model", "kind"]


def load_tree(store: Store, project: str, trace_id: str) -> pa.Table:
    """Read what the tree shows of each span of a trace; no row: the project does not hold it.

    Columns: those of dashboard_trace_tree.sql, with start_ns (unix), duration_ns, model and is_log
    (1: made from a log record) in place of the times, the two models and the kind. One row per
    span, by start. Rows made from log records that only repeat another span are left out.

    Raises:
        StoreError: the store does not answer.
    """
    stored = store.arrow("dashboard_trace_tree", {"project": project, "trace_id": trace_id})
    return _told_once(_reckoned(cast("Any", stored).sort_by(_ORDER)))


def _reckoned(stored: pa.Table) -> pa.Table:
    compute = cast("Any", pc)
    start, end = (stored[name].cast(pa.int64()) for name in ("start_time", "end_time"))
    asked, answered = stored["request_model"], stored["response_model"]
    made = {
        "start_ns": start,
        "duration_ns": compute.max_element_wise(compute.subtract(end, start), 0).cast(pa.uint64()),
        "model": compute.if_else(compute.equal(answered, ""), asked, answered),
        "is_log": compute.equal(stored["kind"], "log").cast(pa.uint8()),
    }
    rows = stored.drop_columns(_STORED_ONLY)
    for name, column in made.items():
        rows = rows.append_column(name, column)
    return rows


def _told_once(spans: pa.Table) -> pa.Table:
    """Return the spans without rows made from log records that only repeat another span.

    By the rule that the jobs count spans by: such a row lies below a span of the trace, and has no
    role of its own, or the role of that span or of one of the spans directly below it.
    """
    is_log = spans["is_log"].to_numpy() > 0
    if not is_log.any():
        return spans
    rows = spans.select(["span_id", "parent_span_id", "role"]).to_pylist()
    others = [row for row, log in zip(rows, is_log, strict=True) if not log]
    ids = {row["span_id"] for row in others}
    told = {
        (row[column], row["role"]) for row in others for column in ("span_id", "parent_span_id")
    }
    return spans.filter(
        [
            not log
            or row["parent_span_id"] not in ids
            or (row["role"] != "other" and (row["parent_span_id"], row["role"]) not in told)
            for row, log in zip(rows, is_log, strict=True)
        ]
    )
