"""The table of traces: its columns, and what people pick in it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, cast

import pandas as pd
import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard import scope, tables
from spanledger_dashboard.scope import Scope

Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class _Column:
    """One column.

    Attributes:
        read: returns the cell of a row; numbers stay numbers, so that they sort.
        text: returns how the cell reads; None: as it is.
        width: pixels.
    """

    read: Callable[[Row], object]
    width: int
    text: Callable[[object], str] | None = None


@dataclass(frozen=True, slots=True)
class Picked:
    """What was picked, as numbers of rows: ``opened`` by a click, ``ticked`` at the left edge."""

    opened: int | None
    ticked: tuple[int, ...]


def trace_frame(
    rows: Sequence[Row], where: Scope, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return the table: times on the reader's clock, durations in ns, costs in dollars.

    Args:
        rows: as in dashboard_traces.sql.
        where: whose clock.
        columns: names from ``COLUMNS``; None: all.
    """
    frame: dict[str, object] = {}
    for name in COLUMNS if columns is None else columns:
        if name == STARTED:
            frame[name] = [where.local(cast("int", r["start_ms"]) / 1000) for r in rows]
        else:
            frame[name] = tables.integers([_COLUMNS[name].read(r) for r in rows])
    return pd.DataFrame(frame)


def show_table(frame: pd.DataFrame, trace_ids: Sequence[str]) -> Picked:
    """Show the table of some traces and return what is picked in it."""
    kinds = st.column_config
    config = {
        name: scope.moments("MMM D, HH:mm:ss", width=_COLUMNS[name].width)
        if name == STARTED
        else kinds.Column(width=_COLUMNS[name].width)
        for name in frame.columns
    }
    modes: list[Literal["multi-row", "single-cell"]] = ["multi-row", "single-cell"]
    state = st.dataframe(
        tables.styled(frame, {n: t for n in frame.columns if (t := _COLUMNS[n].text)}),
        hide_index=True,
        height="content",
        on_select="rerun",
        selection_mode=modes,
        # What is picked belongs to these rows: other rows begin without.
        key=f"traces-{zlib.crc32(','.join(trace_ids).encode())}",
        placeholder=fmt.UNKNOWN,
        column_config=config,
        alt="Traces; a click opens one, the boxes at the left edge pick two to compare",
    )
    cells = state.selection.cells
    return Picked(cells[0][0] if cells else None, tuple(state.selection.rows))


def _status(row: Row) -> str:
    if row["status"] == "open":
        return "◌ open"
    return "✕ error" if row["error_count"] else "✓ ok"


def _dollars(row: Row) -> float | None:
    cost = cast("Decimal | None", row["total_cost_usd"])
    return None if cost is None else float(cost)


def _models(row: Row) -> str:
    return ", ".join(cast("list[str]", row["models"]))


def _count_or_nothing(value: object) -> str:
    return "" if value == 0 else tables.count(value)


def _of(column: str) -> Callable[[Row], object]:
    return lambda row: row[column]


STARTED = "Started"
_COLUMNS = {
    STARTED: _Column(_of("start_ms"), 125),
    "Name": _Column(_of("name"), 200),
    "Status": _Column(_status, 82),
    "Agent": _Column(_of("agent_name"), 120),
    "Duration": _Column(_of("duration_ns"), 78, tables.duration),
    "Cost": _Column(_dollars, 86, tables.usd),
    "Tokens": _Column(_of("tokens"), 70, tables.short_count),
    "LLM calls": _Column(_of("llm_calls"), 76, tables.count),
    "Tool calls": _Column(_of("tool_calls"), 76, tables.count),
    "Spans": _Column(_of("span_count"), 60, tables.count),
    "Errors": _Column(_of("error_count"), 60, _count_or_nothing),
    "Models": _Column(_models, 186),
    "Outcome": _Column(_of("outcome"), 90),
    "Input tokens": _Column(_of("input_tokens"), 90, tables.short_count),
    "Output tokens": _Column(_of("output_tokens"), 96, tables.short_count),
    "Not priced": _Column(_of("unpriced_calls"), 80, _count_or_nothing),
    "Service": _Column(_of("service_name"), 130),
    "Environment": _Column(_of("environment"), 100),
    "Session": _Column(_of("session_id"), 150),
    "User": _Column(_of("user_id"), 150),
    "Trace id": _Column(_of("trace_id"), 250),
}
COLUMNS = tuple(_COLUMNS)
DEFAULT_COLUMNS = (
    *(STARTED, "Name", "Status", "Agent", "Duration", "Cost", "Tokens"),
    *("LLM calls", "Spans", "Errors", "Models"),
)
