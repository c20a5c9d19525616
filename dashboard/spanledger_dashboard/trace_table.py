"""The table of trajectories."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import cast

import pandas as pd
import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard import tables
from spanledger_dashboard.scope import Scope

Row = dict[str, object]

_FORMATS = {
    "Duration": tables.duration,
    "Spans": tables.count,
    "LLM calls": tables.count,
    "Tokens": tables.short_count,
    "Cost": tables.usd,
    "Errors": lambda v: "" if v == 0 else tables.count(v),
}
_ROW_HEIGHT_PX = 35
# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def trace_frame(rows: Sequence[Row], where: Scope) -> pd.DataFrame:
    """Return the table: times on the reader's clock, durations in ns, costs in dollars."""
    return pd.DataFrame(
        {
            "Started": [where.local(cast("int", r["start_ms"]) / 1000) for r in rows],
            "Name": [r["name"] for r in rows],
            "Status": [_status(r) for r in rows],
            "Agent": [r["agent_name"] for r in rows],
            "Duration": [r["duration_ns"] for r in rows],
            "Cost": [_dollars(r) for r in rows],
            "Tokens": [r["tokens"] for r in rows],
            "LLM calls": [r["llm_calls"] for r in rows],
            "Spans": [r["span_count"] for r in rows],
            "Errors": [r["error_count"] for r in rows],
            "Models": [", ".join(cast("list[str]", r["models"])) for r in rows],
            "Service": [r["service_name"] for r in rows],
            "Session": [r["session_id"] for r in rows],
            "User": [r["user_id"] for r in rows],
            "Trace id": [r["trace_id"] for r in rows],
        }
    )


def trace_csv(rows: Sequence[Row]) -> bytes:
    """Return the rows as CSV: columns as in dashboard_traces.sql, ``start_ms`` as UTC time."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["start_time", *(c for c in rows[0] if c != "start_ms")] if rows else [])
    for row in rows:
        start = datetime.fromtimestamp(cast("int", row["start_ms"]) / 1000, UTC)
        cells = [_csv_cell(value) for name, value in row.items() if name != "start_ms"]
        writer.writerow([start.isoformat(timespec="milliseconds"), *cells])
    return out.getvalue().encode()


def show_table(frame: pd.DataFrame) -> int | None:
    """Show the table and return the row that was clicked, None: none was."""
    column = st.column_config
    state = st.dataframe(
        tables.styled(frame, _FORMATS),
        hide_index=True,
        height=(len(frame) + 1) * _ROW_HEIGHT_PX + 2,
        on_select="rerun",
        selection_mode="single-cell",
        key="traces",
        placeholder=fmt.UNKNOWN,
        column_config={
            "Started": column.DatetimeColumn(format="MMM D, HH:mm:ss", width=125),
            "Name": column.TextColumn(width=230),
            "Status": column.TextColumn(width=82),
            "Agent": column.TextColumn(width=130),
            "Duration": column.Column(width=78),
            "Cost": column.Column(width=76),
            "Tokens": column.Column(width=70),
            "LLM calls": column.Column(width=72),
            "Spans": column.Column(width=60),
            "Errors": column.Column(width=60),
            "Models": column.TextColumn(width=170),
        },
        alt="Traces; a click opens one",
    )
    cells = state.selection.cells
    return cells[0][0] if cells else None


def _csv_cell(value: object) -> str:
    """Return the text of a cell; unknown is empty, and no text is a spreadsheet's formula."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return _csv_cell(", ".join(str(v) for v in cast("Sequence[object]", value)))
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA_SIGNS) else text


def _status(row: Row) -> str:
    if row["status"] == "open":
        return "◌ open"
    return "✕ error" if row["error_count"] else "✓ ok"


def _dollars(row: Row) -> float | None:
    cost = cast("Decimal | None", row["total_cost_usd"])
    return None if cost is None else float(cost)
