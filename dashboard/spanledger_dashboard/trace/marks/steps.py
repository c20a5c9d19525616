"""The calls of each agent in the order it made them, without second views of one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spanledger_dashboard.trace.columns import is_any
from spanledger_dashboard.trace.data import Trace
from spanledger_dashboard.trace.shape import TraceShape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.intp]


def tool_steps(trace: Trace, shape: TraceShape) -> Rows:
    """Return rows of tool calls by agent, then start.

    A tool span below another one, or inside the same call of the same agent, is a second view of
    one execution (framework, MCP client, MCP server) and left out.
    """
    rows = _outermost(is_any(trace.spans["role"], "tool"), shape)
    if len(rows) == 0:
        return rows
    called = trace.spans["call_sig"].to_numpy()[rows]
    lane, start, end = shape.lane[rows], shape.start_ns[rows], shape.end_ns[rows]
    is_second = np.zeros(len(rows), "?")
    is_second[1:] = (
        (lane[1:] == lane[:-1])
        & (called[1:] == called[:-1])
        & (called[1:] != 0)
        & (end[1:] <= end[:-1])
        & (start[1:] < end[:-1])
    )
    return rows[~is_second]


def model_steps(trace: Trace, shape: TraceShape) -> Rows:
    """Return rows of calls to chat models by agent, then start; merged views are left out."""
    is_model = is_any(trace.spans["role"], "llm")
    is_model[shape.merged] = False
    return _outermost(is_model, shape)


def runs(is_equal: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return where runs of true elements start and end (exclusive)."""
    padded = np.zeros(len(is_equal) + 2, "i1")
    padded[1:-1] = is_equal
    edges = np.flatnonzero(np.diff(padded))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _outermost(is_wanted: NDArray[np.bool_], shape: TraceShape) -> Rows:
    has_parent = shape.parent >= 0
    is_inner = has_parent & is_wanted[np.where(has_parent, shape.parent, 0)]
    rows = np.flatnonzero(is_wanted & ~is_inner)
    return rows[np.argsort(shape.lane[rows], kind="stable")]
