"""Loops: an agent that makes the same calls again and again and learns nothing new from them."""

from __future__ import annotations

import json
from typing import cast

import numpy as np

from spanledger_dashboard.trace.columns import texts
from spanledger_dashboard.trace.data import Row, Trace
from spanledger_dashboard.trace.marks.mark import Mark
from spanledger_dashboard.trace.marks.steps import runs, tool_steps
from spanledger_dashboard.trace.shape import TraceShape

# A pattern of up to eight calls; twice may be a check, three times in a row is a loop.
_LONGEST_PERIOD = 8
_COPIES = 3
_MIX = np.uint64(0x9E3779B97F4A7C15)


def find_loops(trace: Trace, shape: TraceShape) -> list[Mark]:
    """Return a mark on each span of a loop: of those that were found and priced, if there are any.

    While no job has looked at the trace, the tool calls are compared here.
    """
    stored = [row for row in trace.findings if row["kind"] == "loop"]
    return _stored(trace, stored) if stored else _compared(trace, shape)


def _stored(trace: Trace, loops: list[Row]) -> list[Mark]:
    rows = {span_id: row for row, span_id in enumerate(texts(trace.spans["span_id"]))}
    marks: list[Mark] = []
    for one in loops:
        label = label_of(one)
        spans = cast("list[str]", one["evidence_spans"])
        marks += [Mark(rows[s], "loop", label, str(one["title"])) for s in spans if s in rows]
    return marks


def label_of(loop: Row) -> str:
    """Return what the finder below would say of a loop, as far as its figures tell."""
    figures = cast("dict[str, object]", json.loads(str(loop["details"] or "{}")))
    period, copies = figures.get("period"), figures.get("copies")
    if not isinstance(copies, int):
        return "loop"
    return (
        f"loop {period}×{copies}" if isinstance(period, int) and period > 1 else f"loop ×{copies}"
    )


def _compared(trace: Trace, shape: TraceShape) -> list[Mark]:
    """Return a mark on each tool call of a loop.

    Calls are compared by the signatures of call and result, so a poll whose answer changes is no
    loop, and a call without either signature is never part of one.
    """
    rows = tool_steps(trace, shape)
    called = trace.spans["call_sig"].to_numpy()[rows].astype("u8")
    returned = trace.spans["result_sig"].to_numpy()[rows].astype("u8")
    step = called ^ (returned * _MIX)
    lane = shape.lane[rows]
    is_known = (called != 0) & (returned != 0)
    is_taken = np.zeros(len(rows), "?")
    marks: list[Mark] = []
    for period in range(1, min(_LONGEST_PERIOD, len(rows) - 1) + 1):
        is_equal = (
            (step[period:] == step[:-period])
            & (lane[period:] == lane[:-period])
            & is_known[period:]
            & is_known[:-period]
        )
        for first, end in runs(is_equal):
            length = end - first + period
            if length < _COPIES * period or is_taken[first : first + length].any():
                continue
            is_taken[first : first + length] = True
            label, text = _said(period, length)
            marks += [Mark(int(r), "loop", label, text) for r in rows[first : first + length]]
    return marks


def _said(period: int, length: int) -> tuple[str, str]:
    copies = length // period
    if period == 1:
        return f"loop ×{copies}", f"The same call with the same result {copies} times in a row."
    text = f"The same {period} calls with the same results {copies} times in turn."
    return f"loop {period}×{copies}", text
