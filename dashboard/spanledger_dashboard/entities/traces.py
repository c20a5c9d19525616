"""The traces an agent, a model, a user or a tool took part in: dearest, slowest, failed, newest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import cast

import pandas as pd
import pyarrow as pa
import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard import links, scope, tables
from spanledger_dashboard.connection import store
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.entities.page import Detail
from spanledger_dashboard.scope import Scope

SHOWN = 15
_DOWNLOAD_ROWS = 10_000
_SORTS = {"Dearest": "cost", "Slowest": "duration", "Failed": "failed", "Newest": "newest"}
_FORMATS = {
    "Duration": tables.duration,
    "Cost": tables.usd,
    "Calls": tables.count,
    "Tokens": tables.short_count,
    "Errors": lambda v: "" if v == 0 else tables.count(v),
}

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class TraceQuery:
    """Which traces, and in what order. Hashable, so cached functions can take it.

    Attributes:
        entity: agent, model, user, session or tool.
        sort: as dashboard_entity_traces.sql knows it.
    """

    project: str
    from_s: int
    to_s: int
    entity: str
    value: str
    sort: str
    page_size: int = SHOWN

    @property
    def params(self) -> dict[str, object]:
        """The parameters of the statement."""
        every: dict[str, object] = dict.fromkeys(("agent", "model", "user", "session", "tool"), "")
        return {
            **every,
            self.entity: self.value,
            "project": self.project,
            "from_s": self.from_s,
            "to_s": self.to_s,
            "sort": self.sort,
            "page_size": self.page_size,
        }


def show_traces(detail: Detail) -> None:
    """Show the traces it took part in, in an order the reader chooses; a click opens one."""
    value = detail.entity.value_of(detail.name)
    if not value:
        return
    st.subheader("Traces", anchor=False)
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        chosen = st.segmented_control(
            "Order",
            list(_SORTS),
            default="Dearest",
            required=True,
            key="order",
            bind="query-params",
            label_visibility="collapsed",
        )
        sort = _SORTS.get(str(chosen), "cost")
        window = detail.window
        wanted = TraceQuery(
            detail.where.project, window.start_s, window.end_s, detail.entity.key, value, sort
        )
        show_downloads(
            f"traces-of-{detail.entity.key}",
            partial(_table, wanted),
            what=f"The first {_DOWNLOAD_ROWS:,} traces in this order.",
        )
    rows = read_traces(wanted)
    if not rows:
        st.caption("None in this time range.")
        return
    st.caption(f"At most {SHOWN}; cost and duration are those of the whole trace.")
    show_trace_rows(rows, detail.where, key="entity-traces")


def show_trace_rows(rows: Sequence[Row], where: Scope, *, key: str) -> None:
    """Show traces as a table; a click opens one."""
    frame = trace_rows_frame(rows, where)
    column = st.column_config
    state = st.dataframe(
        tables.styled(frame, {n: f for n, f in _FORMATS.items() if n in frame.columns}),
        hide_index=True,
        placeholder=fmt.UNKNOWN,
        height="content",
        column_config={
            "Started": scope.moments("MMM D, HH:mm:ss", width=130),
            "Name": column.TextColumn(width=260),
            "Agent": column.TextColumn(width=150),
            "Status": column.TextColumn(width=90),
            "Outcome": column.TextColumn(width=100),
        },
        key=key,
        on_select="rerun",
        selection_mode="single-cell",
        alt="Traces; a click opens one",
    )
    cells = state.selection.cells
    if cells:
        links.open_trace(str(rows[cells[0][0]]["trace_id"]))


def trace_rows_frame(rows: Sequence[Row], where: Scope) -> pd.DataFrame:
    """Return the table: times on the reader's clock, durations in ns, dollars."""
    return pd.DataFrame(
        {
            "Started": [where.local(cast("int", r["start_ms"]) / 1000) for r in rows],
            "Name": [r["name"] for r in rows],
            "Agent": [r["agent_name"] for r in rows],
            "Status": [_status(r) for r in rows],
            "Outcome": [r["outcome"] or None for r in rows],
            "Duration": [r["duration_ns"] for r in rows],
            "Cost": [trace_usd(r) for r in rows],
            "Calls": [r["calls"] for r in rows],
            "Tokens": tables.integers([r["tokens"] for r in rows]),
            "Errors": [r["error_count"] for r in rows],
        }
    )


def trace_usd(row: Row) -> float | None:
    """Return the dollars of a trace; None: nothing is priced."""
    cost = cast("Decimal | None", row["total_cost_usd"])
    return None if cost is None else float(cost)


@st.cache_data(ttl=60, max_entries=100, show_spinner="Looking for traces …")
def read_traces(wanted: TraceQuery) -> list[dict[str, object]]:
    """Return traces, kept for a minute; columns as in dashboard_entity_traces.sql.

    Raises:
        StoreError: the store does not answer.
    """
    return store().rows("dashboard_entity_traces", wanted.params)


def _table(wanted: TraceQuery) -> pa.Table:
    return store().arrow("dashboard_entity_traces", {**wanted.params, "page_size": _DOWNLOAD_ROWS})


def _status(row: Row) -> str:
    if row["status"] == "open":
        return "◌ open"
    return "✕ error" if row["error_count"] else "✓ ok"
