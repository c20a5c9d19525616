"""What jobs found in a trace, other than loops: marked on the first span that shows it."""

from __future__ import annotations

from typing import cast

from spanledger_dashboard.trace.columns import texts
from spanledger_dashboard.trace.data import Row, Trace
from spanledger_dashboard.trace.marks.loops import label_of
from spanledger_dashboard.trace.marks.mark import GivenMarks, Mark
from spanledger_dashboard.trace.shape import TraceShape


def find_found(trace: Trace, shape: TraceShape) -> list[Mark]:
    """Return a mark for each finding: many spans may show one, and the first leads to the rest."""
    del shape
    if not trace.findings:
        return []
    rows = {span_id: row for row, span_id in enumerate(texts(trace.spans["span_id"]))}
    marks: list[Mark] = []
    for one in trace.findings:
        spans = cast("list[str]", one["evidence_spans"])
        first = next((span for span in spans if span in rows), None)
        if first is not None and one["kind"] != "loop":
            kind = str(one["kind"])
            marks.append(Mark(rows[first], kind, kind.replace("_", " "), str(one["title"])))
    return marks


def marks_of(finding: Row, trace_id: str) -> GivenMarks:
    """Return a mark on every span of a trace that shows one finding (dashboard_finding.sql)."""
    pairs = zip(
        cast("list[str]", finding["evidence_traces"]),
        cast("list[str]", finding["evidence_spans"]),
        strict=True,
    )
    kind = str(finding["kind"])
    label = label_of(finding) if kind == "loop" else kind.replace("_", " ")
    mark = {"kind": "finding", "label": label, "text": str(finding["title"])}
    return {span_id: [mark] for trace, span_id in pairs if trace == trace_id}
