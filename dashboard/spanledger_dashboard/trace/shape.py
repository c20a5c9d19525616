"""The spans of a trace as arrays: who called whom, who works for which agent, what was counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spanledger_dashboard.trace.columns import is_any, lists, rows_of
from spanledger_dashboard.trace.data import Trace

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

ROOT = -1
PARENT_MISSING = -2


@dataclass(frozen=True, slots=True)
class TraceShape:
    """One element per span, in the order of the spans, unless said otherwise.

    Attributes:
        parent: row of the parent; ROOT, or PARENT_MISSING where it has not arrived.
        lane: row of the agent a span works for: the nearest agent at or above it, else its root.
        call: per ledger entry: row of its primary span, -1 where that is not in the trace.
        merged: rows of the other spans that entries were seen in.
        merged_into: row of the primary span, one for each of ``merged``.
    """

    start_ns: NDArray[np.int64]
    duration_ns: NDArray[np.int64]
    parent: NDArray[np.int32]
    lane: NDArray[np.int32]
    is_failed: NDArray[np.bool_]
    call: NDArray[np.int32]
    merged: NDArray[np.int32]
    merged_into: NDArray[np.int32]

    @classmethod
    def of(cls, trace: Trace) -> TraceShape:
        """Return the shape of a trace with at least one span."""
        spans = trace.spans
        parent = _parents(spans)
        call = rows_of(trace.calls["span_id"], spans["span_id"])
        merged, merged_into = _merged(trace, call)
        return cls(
            start_ns=spans["start_ns"].to_numpy(),
            duration_ns=spans["duration_ns"].to_numpy().astype("i8"),
            parent=parent,
            lane=_lanes(parent, is_any(spans["role"], "agent")),
            is_failed=is_any(spans["status"], "error"),
            call=call,
            merged=merged,
            merged_into=merged_into,
        )

    @property
    def end_ns(self) -> NDArray[np.int64]:
        """Unix ns each span ended at."""
        return self.start_ns + self.duration_ns


def _parents(spans: pa.Table) -> NDArray[np.int32]:
    parent = rows_of(spans["parent_span_id"], spans["span_id"])
    is_root = is_any(spans["parent_span_id"], "")
    return np.where(is_root, ROOT, np.where(parent < 0, PARENT_MISSING, parent)).astype("i4")


def _lanes(parent: NDArray[np.int32], is_agent: NDArray[np.bool_]) -> NDArray[np.int32]:
    rows = np.arange(len(parent), dtype="i4")
    up = np.where(is_agent | (parent < 0), rows, parent)
    # Each round doubles how far a span looks up; parents that form a circle never settle.
    for _ in range(len(parent).bit_length()):
        further = up[up]
        if np.array_equal(further, up):
            break
        up = further
    return up


def _merged(trace: Trace, call: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    entries, ids = lists(trace.calls["merged_span_ids"])
    merged = rows_of(ids, trace.spans["span_id"])
    is_here = merged >= 0
    return merged[is_here], call[entries][is_here]
