"""The tables of the Budgets page."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.elements.lib.column_types import ColumnConfig

from spanledger_dashboard import format as fmt
from spanledger_dashboard import scope
from spanledger_dashboard.budgets.figures import Item, amount_text, left_text
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.scope import Scope
from spanledger_storage.budgets import Breach, Measure

_ROW_HEIGHT_PX = 35
_VISIBLE_ROWS = 20
_LEVELS = {"soft": "▲ Soft limit", "hard": "■ Hard limit", "refused": "✕ Refused"}
_MONEY = pa.decimal128(38, 12)
_TIME = pa.timestamp("ns", "UTC")


def show_list(items: Sequence[Item], now_s: int) -> str | None:
    """Show the budgets; return the id of the one a reader clicked."""
    _heading("All budgets", "budgets", _list_table(items), "Every budget with its exact figures")
    frame = pd.DataFrame(
        {
            "Budget": [item.name for item in items],
            "State": [item.state for item in items],
            "For": [item.whose for item in items],
            "Window": [item.window for item in items],
            "Used": [_percent(item) for item in items],
            "Spent": [item.text(item.amounts.spent) for item in items],
            "Set aside": [item.text(item.amounts.reserved) for item in items],
            "Limit": [item.text_with_unit(item.limit) for item in items],
            "Per hour": [item.text(item.foreseen("burn_per_hour")) for item in items],
            "Forecast": [item.text(item.foreseen("forecast_mid")) for item in items],
            "Exhausted": [_exhausted(item, now_s) for item in items],
            "Owner": [item.amounts.budget.terms.owner or None for item in items],
        }
    )
    right = st.column_config.TextColumn
    config: dict[str, ColumnConfig] = {
        "Budget": st.column_config.TextColumn(pinned=True, width="medium"),
        "State": st.column_config.TextColumn(width=130),
        "Used": st.column_config.ProgressColumn(
            format="%.0f%%", min_value=0, max_value=100, width=120,
            help="Spent, in percent of the hard limit, else of the soft one.",
        ),
        "Spent": right(alignment="right", help="In the ledger, and settled by agents since."),
        "Set aside": right(alignment="right", help="For calls that run; expires by itself."),
        "Limit": right(alignment="right", help="The hard limit, else the soft one."),
        "Per hour": right(alignment="right", help="In this hour and the one before."),
        "Forecast": right(alignment="right", help="At the window's end; the median."),
        "Exhausted": right(
            alignment="right", help="When the hard limit is reached; a dash: not in this window."
        ),
    }  # fmt: skip
    chosen = _table(frame, config, key="budgets", alt="Budgets; a click opens one", is_open=True)
    return None if chosen is None else items[chosen].id


def show_breaches(breaches: Sequence[Breach], items: Sequence[Item], where: Scope) -> None:
    """Show when budgets were at a limit."""
    _heading("Breaches", "budget-breaches", _breach_table(breaches), "Every breach shown here")
    if not breaches:
        st.caption("No budget was at a limit.")
        return
    measures: dict[str, Measure] = {item.id: item.amounts.budget.terms.measure for item in items}
    frame = pd.DataFrame(
        {
            "Budget": [b.budget_name for b in breaches],
            "What": [_LEVELS.get(b.level, b.level) for b in breaches],
            "Began": [where.local(b.began_at_ns / 1e9) for b in breaches],
            "Ended": [None if b.ended_at_ns is None else where.local(b.ended_at_ns / 1e9)
                      for b in breaches],
            "Limit": [amount_text(measures.get(b.budget_id, "usd"), b.limit_amount)
                      for b in breaches],
            "Most spent": [amount_text(measures.get(b.budget_id, "usd"), b.peak_amount)
                           for b in breaches],
            "Refused": [fmt.count(b.count) if b.level == "refused" else None for b in breaches],
        }
    )  # fmt: skip
    right = st.column_config.TextColumn
    config: dict[str, ColumnConfig] = {
        "Budget": st.column_config.TextColumn(pinned=True),
        "Began": scope.moments("MMM D, HH:mm"),
        "Ended": scope.moments(
            "MMM D, HH:mm", explanation="A dash: it lasts. Calendar windows end a breach."
        ),
        "Limit": right(alignment="right"),
        "Most spent": right(alignment="right", help="While it lasted."),
        "Refused": right(alignment="right", help="Requests that did not fit."),
    }
    _table(frame, config, key="breaches", alt="Breaches of budgets")


def _percent(item: Item) -> float | None:
    ratio = item.used_ratio
    return None if ratio is None else float(ratio * 100)


def _exhausted(item: Item, now_s: int) -> str | None:
    at_s = item.exhausts_at_s
    return None if at_s is None else left_text(at_s - now_s)


def _heading(title: str, name: str, table: pa.Table, what: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(title, anchor=False)
        show_downloads(name, lambda: table, what=what)


def _table(
    frame: pd.DataFrame,
    config: dict[str, ColumnConfig],
    *,
    key: str,
    alt: str,
    is_open: bool = False,
) -> int | None:
    """Show a table; return the row of the cell a reader clicked."""
    tall = (_VISIBLE_ROWS + 1) * _ROW_HEIGHT_PX + 2
    state = st.dataframe(
        frame,
        hide_index=True,
        placeholder=fmt.UNKNOWN,
        height="content" if len(frame) <= _VISIBLE_ROWS else tall,
        column_config=config,
        key=f"table-{key}",
        on_select="rerun" if is_open else "ignore",
        selection_mode="single-cell",
        alt=alt,
    )
    if not is_open or isinstance(state, DeltaGenerator):
        return None
    cells = state.selection.cells
    return cells[0][0] if cells else None


def _list_table(items: Sequence[Item]) -> pa.Table:
    amounts = [item.amounts for item in items]
    terms = [one.budget.terms for one in amounts]
    ends = [item.exhausts_at_s for item in items]
    return pa.table(
        {
            "id": pa.array([item.id for item in items], pa.string()),
            "name": pa.array([t.name for t in terms], pa.string()),
            "scope": pa.array([t.scope for t in terms], pa.string()),
            "selector": pa.array([t.selector for t in terms], pa.string()),
            "measure": pa.array([t.measure for t in terms], pa.string()),
            "window_start": pa.array([a.window.start_s * 10**9 for a in amounts], _TIME),
            "window_end": pa.array([a.window.end_s * 10**9 for a in amounts], _TIME),
            "soft_limit": pa.array([t.soft_limit for t in terms], _MONEY),
            "hard_limit": pa.array([t.hard_limit for t in terms], _MONEY),
            "in_ledger": pa.array([a.in_ledger for a in amounts], _MONEY),
            "settled": pa.array([a.settled for a in amounts], _MONEY),
            "reserved": pa.array([a.reserved for a in amounts], _MONEY),
            "refused": pa.array([a.refused for a in amounts], pa.int64()),
            "passed": pa.array([a.passed for a in amounts], pa.int64()),
            **{
                name: pa.array([item.foreseen(name) for item in items], _MONEY)
                for name in ("burn_per_hour", "forecast_low", "forecast_mid", "forecast_high")
            },
            "exhausts_at": pa.array([None if s is None else s * 10**9 for s in ends], _TIME),
            "owner": pa.array([t.owner for t in terms], pa.string()),
            "note": pa.array([t.note for t in terms], pa.string()),
            "is_active": pa.array([t.is_active for t in terms], pa.bool_()),
        }
    )


def _breach_table(breaches: Sequence[Breach]) -> pa.Table:
    return pa.table(
        {
            "budget": pa.array([b.budget_name for b in breaches], pa.string()),
            "budget_id": pa.array([b.budget_id for b in breaches], pa.string()),
            "level": pa.array([b.level for b in breaches], pa.string()),
            "window_start": pa.array([b.window_start_s * 10**9 for b in breaches], _TIME),
            "began_at": pa.array([b.began_at_ns for b in breaches], _TIME),
            "ended_at": pa.array([b.ended_at_ns for b in breaches], _TIME),
            "limit": pa.array([b.limit_amount for b in breaches], _MONEY),
            "peak": pa.array([b.peak_amount for b in breaches], _MONEY),
            "refused": pa.array([b.count for b in breaches], pa.int64()),
        }
    )
