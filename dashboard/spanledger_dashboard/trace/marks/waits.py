"""Waits: for a person, or for something that the trace does not show."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from spanledger_dashboard import format as fmt
from spanledger_dashboard.trace.columns import codes, is_any
from spanledger_dashboard.trace.data import Trace
from spanledger_dashboard.trace.marks.mark import Mark
from spanledger_dashboard.trace.shape import TraceShape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spanledger_dashboard.trace.columns import Column

# Spans that last as long as a person takes: Claude Code's tool.blocked_on_user, AskUserQuestion,
# MCP's elicitation/create, and what people call such tools and nodes themselves.
_ASKS = re.compile(
    r"blocked[_ .-]?on[_ .-]?user"
    r"|(?:ask|await|request|wait[_ .-]?for)[_ .-]?(?:the[_ .-])?"
    r"(?:user|human|person|approval|confirmation|permission)"
    r"|(?:human|user)[_ .-]?(?:input|approval|review|feedback|confirmation|in[_ .-]the[_ .-]loop)"
    r"|elicitation",
    re.IGNORECASE,
)
# Raised to stop until a person has decided: LangGraph, Pydantic AI, OpenAI Agents.
_PAUSES = re.compile(r"(?:Graph|Node)Interrupt|ApprovalRequired|CallDeferred|ToolApproval")
_THINKING = ("llm", "embedding", "agent")
_IDLE_NS = 60 * 10**9


def find_waits(trace: Trace, shape: TraceShape) -> list[Mark]:
    """Return marks on spans that wait for a person, and on the first span after a long silence."""
    is_named = _matches(trace.spans["name"], _ASKS) | _matches(trace.spans["tool_name"], _ASKS)
    asks = np.flatnonzero(is_named & ~is_any(trace.spans["role"], *_THINKING))
    pauses = np.flatnonzero(_matches(trace.spans["error_type"], _PAUSES))
    return [
        *(_asked(int(row), fmt.duration(int(shape.duration_ns[row]))) for row in asks),
        *(
            Mark(int(row), "wait", "paused", "Stopped here to let a person decide.")
            for row in pauses
        ),
        *_silences(shape),
    ]


def find_resumed(_trace: Trace, shape: TraceShape) -> list[Mark]:
    """Return a mark on each root that starts after everything before it had ended."""
    before = _ended_before(shape.start_ns, shape.end_ns)
    is_root = shape.parent < 0
    is_root[0] = False
    rows = np.flatnonzero(is_root & (shape.start_ns > before))
    parts = len(rows) + 1
    return [
        Mark(
            int(row),
            "resumed",
            f"part {part} of {parts}",
            f"The trace goes on here, {fmt.duration(int(shape.start_ns[row] - before[row]))} "
            "after the last span before had ended.",
        )
        for part, row in enumerate(rows, start=2)
    ]


def _asked(row: int, lasted: str) -> Mark:
    return Mark(row, "wait", f"person {lasted}", f"Waited {lasted} for a person.")


def _silences(shape: TraceShape) -> list[Mark]:
    # A span that called others merely frames them: only the innermost ones are at work.
    is_frame = np.zeros(len(shape.parent), "?")
    is_frame[shape.parent[shape.parent >= 0]] = True
    rows = np.flatnonzero(~is_frame)
    silence = shape.start_ns[rows] - _ended_before(shape.start_ns[rows], shape.end_ns[rows])
    return [
        Mark(
            int(rows[i]),
            "idle",
            f"idle {fmt.duration(int(silence[i]))}",
            f"Nothing ran for {fmt.duration(int(silence[i]))} before this span: a wait for a "
            "person, or for something the trace does not show.",
        )
        for i in np.flatnonzero(silence >= _IDLE_NS)
    ]


def _ended_before(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each span the latest end of those that started before it; the first: its start."""
    return np.concatenate((starts[:1], np.maximum.accumulate(ends)[:-1]))


def _matches(column: Column, pattern: re.Pattern[str]) -> NDArray[np.bool_]:
    numbers, dictionary = codes(column)
    return np.array([bool(pattern.search(text)) for text in dictionary], "?")[numbers]
