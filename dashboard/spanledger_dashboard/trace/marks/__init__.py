"""What is worth pointing out in a trace: loops, retries, cache breaks, waits, how spans relate."""

from __future__ import annotations

from spanledger_dashboard.trace.columns import texts
from spanledger_dashboard.trace.data import Trace
from spanledger_dashboard.trace.marks.cache_breaks import find_cache_breaks
from spanledger_dashboard.trace.marks.found import find_found
from spanledger_dashboard.trace.marks.loops import find_loops
from spanledger_dashboard.trace.marks.mark import GivenMarks, Mark
from spanledger_dashboard.trace.marks.origins import find_links, find_sources
from spanledger_dashboard.trace.marks.retries import find_retries
from spanledger_dashboard.trace.marks.waits import find_resumed, find_waits
from spanledger_dashboard.trace.shape import TraceShape

__all__ = ["GivenMarks", "Mark", "find_marks"]

_FINDERS = (
    find_loops,
    find_found,
    find_retries,
    find_cache_breaks,
    find_waits,
    find_resumed,
    find_sources,
    find_links,
)


def find_marks(trace: Trace, shape: TraceShape, given: GivenMarks) -> list[Mark]:
    """Return the marks of all spans: those given, then those found, by row.

    What is given is not said again by what is found.
    """
    marks = _given(trace, given)
    said = {(mark.row, mark.label) for mark in marks}
    for find in _FINDERS:
        marks += [mark for mark in find(trace, shape) if (mark.row, mark.label) not in said]
    return sorted(marks, key=lambda mark: mark.row)


def _given(trace: Trace, given: GivenMarks) -> list[Mark]:
    if not given:
        return []
    rows = {span_id: row for row, span_id in enumerate(texts(trace.spans["span_id"]))}
    return [
        Mark(rows[span_id], m["kind"], m.get("label") or m["kind"], m["text"])
        for span_id, marks in given.items()
        if span_id in rows
        for m in marks
    ]
