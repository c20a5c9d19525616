"""The table of two aligned trajectories."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import streamlit as st

from spanledger_analytics.golden.alignment import DiffRow, DiffStep
from spanledger_dashboard import format as fmt
from spanledger_dashboard import tables
from spanledger_dashboard.text import shortened

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

_SYMBOLS = {
    "same": "= same",
    "answer": "≈ other answer",
    "arguments": "≠ other arguments",
    "outcome": "≠ one failed",
    "other": "≠ other step",
    "only a": "− only in A",
    "only b": "+ only in B",
}
# Middle tones with little weight: readable on both backgrounds, and the sign says it too.
_TINTS = {"−": "rgba(224,138,60,.18)", "+": "rgba(63,127,224,.18)", "≠": "rgba(217,67,79,.16)"}
_NAME_LIMIT = 44
_ROLE_SIGNS = {
    "llm": "◆",
    "embedding": "◇",
    "tool": "⚙",
    "agent": "●",
    "retrieval": "⌕",
    "guardrail": "⛨",
}


def signed_usd(value: Decimal | None) -> str:
    """Return a difference in dollars with its sign; a dash when it is not known."""
    if value is None:
        return fmt.UNKNOWN
    return f"{'+' if value > 0 else ''}{fmt.usd(value)}" if value else "="


def signed_count(value: int | None) -> str:
    """Return a difference of whole numbers with its sign."""
    if value is None:
        return fmt.UNKNOWN
    return f"{'+' if value > 0 else ''}{fmt.short_count(value)}" if value else "="


def signed_duration(ns: int) -> str:
    """Return a difference in time with its sign."""
    return f"{'+' if ns > 0 else '-'}{fmt.duration(abs(ns))}" if ns else "="


def step_text(step: DiffStep | None) -> str:
    """Return a step in a few words: ``⚙ search_web ✕``; empty for none."""
    if step is None:
        return ""
    failed = " ✕" if step.has_failed else ""
    return f"{_ROLE_SIGNS.get(step.role, '·')} {shortened(step.what, _NAME_LIMIT)}{failed}"


def show_diff_table(rows: Sequence[tuple[int, DiffRow]], first: int | None) -> DiffRow | None:
    """Show the rows with their places; return the one that was picked, None: none was.

    Args:
        rows: by their place in the whole comparison.
        first: place of the first divergence; None: there is none.
    """
    frame = _frame(rows, first)
    column = st.column_config
    state = st.dataframe(
        _styled(frame),
        hide_index=True,
        height="content" if len(frame) <= 16 else 640,
        on_select="rerun",
        selection_mode="single-row",
        key=f"steps-{len(rows)}",
        placeholder="",
        column_config={
            "#": column.NumberColumn(width=40),
            "Difference": column.TextColumn(width=138),
            "A": column.TextColumn(width=160),
            "B": column.TextColumn(width=160),
            **{name: column.Column(width=74) for name in ("Cost A", "Cost B", "Δ cost")},
            **{name: column.Column(width=64) for name in ("Tokens A", "Tokens B", "Δ tokens")},
            **{name: column.Column(width=58) for name in ("Time A", "Time B", "Δ time")},
        },
        alt="Steps of both trajectories, aligned; a click on a row leads to its spans",
    )
    picked = state.selection.rows
    return rows[picked[0]][1] if picked and picked[0] < len(rows) else None


def _frame(rows: Sequence[tuple[int, DiffRow]], first: int | None) -> pd.DataFrame:
    only = [row for _, row in rows]
    return pd.DataFrame(
        {
            "#": [place + 1 for place, _ in rows],
            "Difference": [
                f"{_SYMBOLS[row.state]}{' ◀ first' if place == first else ''}"
                for place, row in rows
            ],
            "A": [step_text(row.a) for row in only],
            "B": [step_text(row.b) for row in only],
            "Cost A": [_float(row.a) for row in only],
            "Cost B": [_float(row.b) for row in only],
            "Δ cost": [None if row.cost_usd is None else float(row.cost_usd) for row in only],
            "Tokens A": pd.array([_tokens(row.a) for row in only], dtype="Int64"),
            "Tokens B": pd.array([_tokens(row.b) for row in only], dtype="Int64"),
            "Δ tokens": pd.array([row.tokens for row in only], dtype="Int64"),
            "Time A": pd.array([_time(row.a) for row in only], dtype="Int64"),
            "Time B": pd.array([_time(row.b) for row in only], dtype="Int64"),
            "Δ time": [row.duration_ns for row in only],
        }
    )


def _styled(frame: pd.DataFrame) -> Styler:
    formats: dict[str, Callable[[object], str]] = {
        **dict.fromkeys(("Cost A", "Cost B"), tables.usd),
        **dict.fromkeys(("Tokens A", "Tokens B"), tables.short_count),
        **dict.fromkeys(("Time A", "Time B"), tables.duration),
        "Δ cost": lambda v: _or_dash(v, lambda x: signed_usd(Decimal(repr(float(x))))),
        "Δ tokens": lambda v: _or_dash(v, lambda x: signed_count(int(x))),
        "Δ time": lambda v: signed_duration(int(str(v))),
    }
    styler = tables.painted(frame, formats)
    return styler.apply(_tint, axis=1, subset=["Difference", "A", "B"])


def _or_dash(value: object, write: Callable[[str], str]) -> str:
    return fmt.UNKNOWN if value is None or pd.isna(value) else write(str(value))  # type: ignore[call-overload]  # a cell is a scalar


def _tint(row: pd.Series[str]) -> list[str]:
    color = _TINTS.get(str(row["Difference"])[:1])
    return [f"background-color: {color}" if color else ""] * len(row)


def diff_arrow(rows: Sequence[DiffRow]) -> pa.Table:
    """Return the comparison as a table: exact decimals, durations in nanoseconds."""
    columns: dict[str, pa.Array[Any]] = {"difference": pa.array([row.state for row in rows])}
    money = pa.decimal128(38, 12)
    for side in ("a", "b"):
        steps: list[DiffStep | None] = [getattr(row, side) for row in rows]
        for name in ("role", "what", "agent", "span_id"):
            texts = [None if s is None else str(getattr(s, name)) for s in steps]
            columns[f"{name}_{side}"] = pa.array(texts, pa.string())
        costs = [None if s is None else s.cost_usd for s in steps]
        columns[f"cost_usd_{side}"] = pa.array(costs, money)
        columns[f"tokens_{side}"] = pa.array([_tokens(s) for s in steps], pa.int64())
        columns[f"duration_ns_{side}"] = pa.array([_time(s) for s in steps], pa.int64())
    return pa.table(columns)


def _float(step: DiffStep | None) -> float | None:
    return None if step is None or step.cost_usd is None else float(step.cost_usd)


def _tokens(step: DiffStep | None) -> int | None:
    return None if step is None else step.tokens


def _time(step: DiffStep | None) -> int | None:
    return None if step is None else step.duration_ns
