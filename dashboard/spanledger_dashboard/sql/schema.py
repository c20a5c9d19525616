"""The tables and columns beside the editor."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import cast

import pandas as pd
import streamlit as st

from spanledger_dashboard.connection import store
from spanledger_dashboard.sql.console import TABLES
from spanledger_dashboard.text import plain

Column = tuple[str, str, str]

_STORED_AS = re.compile(r"LowCardinality\((\w+)\)")
_ROW_HEIGHT_PX = 35
_MAX_HEIGHT_PX = 520


@st.cache_data(ttl=600, max_entries=2, show_spinner=False)
def _schema() -> dict[str, list[Column]]:
    found: dict[str, list[Column]] = defaultdict(list)
    for row in store().rows("dashboard_schema"):
        # How values are stored inside is nothing a query has to know.
        kind = _STORED_AS.sub(r"\1", str(row["type"]))
        column = (str(row["column"]), kind, str(row["comment"]))
        found[cast("str", row["table"])].append(column)
    known = [name for name in TABLES if name in found]
    return {name: found[name] for name in (*known, *sorted(set(found) - set(known)))}


def show_schema() -> None:
    """Show one table at a time with its columns, types and comments."""
    schema = _schema()
    name = st.selectbox(
        "Table", list(schema), key="sql-table", label_visibility="collapsed", width="stretch"
    )
    if name not in schema:
        return
    st.caption(plain(TABLES.get(name, "")) or " ")
    columns = schema[name]
    frame = pd.DataFrame(columns, columns=["Column", "Type", "What it is"])
    st.dataframe(
        frame,
        hide_index=True,
        height=min((len(frame) + 1) * _ROW_HEIGHT_PX + 2, _MAX_HEIGHT_PX),
        column_config={
            "Column": st.column_config.TextColumn(width=140),
            "Type": st.column_config.TextColumn(width=95),
            "What it is": st.column_config.TextColumn(width=300),
        },
        key=f"sql-columns-{name}",
        alt=f"Columns of {name}",
    )
