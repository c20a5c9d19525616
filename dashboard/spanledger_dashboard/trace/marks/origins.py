"""How spans belong together: several views of one call, and links."""

from __future__ import annotations

import numpy as np

from spanledger_dashboard.trace.columns import lists, texts, whole
from spanledger_dashboard.trace.data import Trace
from spanledger_dashboard.trace.marks.mark import Mark
from spanledger_dashboard.trace.shape import TraceShape

_SHORT_ID = 8
_COUNTED = "One call, reported by {} spans and counted once, here."
_SAME = "The same call as another span, which carries its tokens and its cost."


def find_sources(trace: Trace, shape: TraceShape) -> list[Mark]:
    """Return marks on calls seen in several spans: on the one that counts, and on the others."""
    ids = trace.spans["span_id"]

    def leading_to(row: int) -> str:
        return f"{trace.key.trace_id}/{ids[row]}" if row >= 0 else ""

    pairs = list(zip(shape.merged.tolist(), shape.merged_into.tolist(), strict=True))
    other_of = {primary: other for other, primary in pairs}
    sources = whole(trace.calls["sources"])
    marks: list[Mark] = []
    for entry in np.flatnonzero((sources > 1) & (shape.call >= 0)):
        row, n = int(shape.call[entry]), int(sources[entry])
        target = leading_to(other_of.get(row, -1))
        marks.append(Mark(row, "sources", f"{n} sources", _COUNTED.format(n), target))
    return marks + [Mark(o, "same", "same call", _SAME, leading_to(p)) for o, p in pairs]


def find_links(trace: Trace, _shape: TraceShape) -> list[Mark]:
    """Return a mark for each link of a span."""
    rows, traces = lists(trace.spans["link_trace_ids"])
    _, spans = lists(trace.spans["link_span_ids"])
    marks: list[Mark] = []
    for row, trace_id, span_id in zip(rows, texts(traces), texts(spans), strict=True):
        if trace_id == trace.key.trace_id:
            where = f"span {span_id[:_SHORT_ID]}… of this trace"
        else:
            where = f"span {span_id[:_SHORT_ID]}… of trace {trace_id[:_SHORT_ID]}…"
        marks.append(Mark(int(row), "link", "link", f"Linked to {where}", f"{trace_id}/{span_id}"))
    return marks
