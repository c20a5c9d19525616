"""SQL: ask the store anything, read-only and within limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pyarrow as pa
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from spanledger_dashboard import format as fmt
from spanledger_dashboard import scope
from spanledger_dashboard.connection import store
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.saved_views_ui import show_saved
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.sql import chart as sql_chart
from spanledger_dashboard.sql.chart import KINDS, Plan, first_plan, numeric_columns
from spanledger_dashboard.sql.console import (
    BYTE_LIMIT,
    EXAMPLES,
    ROW_LIMIT,
    SECONDS,
    Failure,
    Outcome,
    can_use_sql,
    example,
    excerpt,
    run,
)
from spanledger_dashboard.sql.schema import show_schema
from spanledger_dashboard.text import plain
from spanledger_storage.console import QueryAnswer
from spanledger_storage.console_guard import LENGTH_LIMIT

_TEXT_KEY = "sql"
_OUTCOME_KEY = "sql-outcome"
_LOADED_KEY = "sql-loaded"
_TIME_LIMIT_S = 10
_CHART_KEYS = ("kind", "x", "y", "by")
_VIEWS = ("Table", "Chart")
_NOTHING = "(nothing)"
_ROW_HEIGHT_PX = 35
_TABLE_HEIGHT_PX = 460

Content = dict[str, object]


def _show() -> None:
    if not can_use_sql():
        st.info(
            "Queries read all projects; your account sees some of them.", icon=":material/lock:"
        )
        return
    where = scope.current()
    editor, schema = st.columns([2, 1], gap="medium")
    with schema:
        tables, examples = st.tabs(["Tables", "Examples"])
        with tables:
            show_schema()
        with examples:
            _show_examples()
    with editor:
        asked, seconds = _show_editor(where)
        if asked is not None:
            _run(where, asked, seconds)
        _show_outcome()


def _show_editor(where: Scope) -> tuple[str | None, int]:
    """Show the query and its limits; return it when it is to be run."""
    with st.form("sql-form", border=False, enter_to_submit=True):
        text = st.text_area(
            "Query",
            value=example(next(iter(EXAMPLES))),
            key=_TEXT_KEY,
            bind="query-params",
            height=220,
            max_chars=LENGTH_LIMIT,
            label_visibility="collapsed",
            placeholder="SELECT … FROM traces FINAL WHERE project = {project:String}",
        )
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            is_asked = st.form_submit_button(
                "Run", type="primary", icon=":material/play_arrow:", help="Ctrl+Enter in the editor"
            )
            seconds = st.selectbox(
                "Time limit",
                SECONDS,
                index=SECONDS.index(_TIME_LIMIT_S),
                format_func=lambda s: f"at most {s} s",
                key="sql-seconds",
                label_visibility="collapsed",
                width=140,
            )
            st.caption(_limits(_memory_limit_bytes()), width="stretch")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        show_saved("sql", where.project, _content, _apply)
        st.caption(
            "The pickers above fill in `{project:String}`, `{from:DateTime}`, `{to:DateTime}`.",
            width="stretch",
        )
    is_loaded = st.session_state.pop(_LOADED_KEY, False)
    return (text or "" if is_asked or is_loaded else None), seconds


def _limits(memory_bytes: int) -> str:
    return (
        f"Read-only · at most {ROW_LIMIT:,} rows, {BYTE_LIMIT >> 20} MiB of result, "
        f"{memory_bytes / (1 << 30):.3g} GiB of memory"
    )


@st.cache_data(ttl=600, max_entries=2, show_spinner=False)
def _memory_limit_bytes() -> int:
    row = store().sql_rows("SELECT getSetting('max_memory_usage') AS bytes")[0]
    return cast("int", row["bytes"])


def _show_examples() -> None:
    st.caption("A click puts one into the editor.")
    with st.container(gap="xxsmall"):
        for title in EXAMPLES:
            st.button(
                title,
                key=f"sql-example-{EXAMPLES[title]}",
                type="tertiary",
                icon=":material/article:",
                on_click=_put,
                args=(example(title),),
            )


def _put(text: str) -> None:
    st.session_state[_TEXT_KEY] = text


def _run(where: Scope, text: str, seconds: int) -> None:
    """Run a query; what came of it is kept until the next one."""
    window = where.time_range.window(scope.now_s())
    # Whoever leaves or cancels meanwhile finds this afterwards.
    st.session_state[_OUTCOME_KEY] = Outcome(text, failure=Failure("The query was cancelled."))
    shown = st.empty()
    with shown.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button("Cancel", key="sql-cancel", icon=":material/stop:")
        note = st.empty()
    outcome = run(
        store(),
        text,
        {
            "project": where.project,
            # Unix seconds: the same moment whatever zone the store is in.
            "from": str(window.start_s),
            "to": str(window.end_s),
        },
        seconds,
        # Streamlit leaves this run here when somebody cancels, and the query ends with it.
        waiting=lambda taken_s: _say_time(note, taken_s, seconds),
    )
    shown.empty()
    st.session_state[_OUTCOME_KEY] = outcome


def _say_time(note: DeltaGenerator, taken_s: float, seconds: int) -> None:
    note.caption(f"Running … {taken_s:.0f} s of at most {seconds} s")


def _show_outcome() -> None:
    outcome = cast("Outcome | None", st.session_state.get(_OUTCOME_KEY))
    if outcome is None:
        st.caption("Run the query to see its result here.")
    elif outcome.failure is not None:
        _show_failure(outcome.sql, outcome.failure)
    elif outcome.answer is not None:
        _show_answer(outcome.answer)


def _show_failure(sql: str, failure: Failure) -> None:
    place = f"Line {failure.line}, column {failure.column}. " if failure.line else ""
    st.error(f"{place}{plain(failure.message)}", icon=":material/error:")
    if marked := excerpt(sql, failure):
        st.code(marked, language=None)


def _show_answer(answer: QueryAnswer) -> None:
    table = answer.table
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(_summary(answer), width="stretch")
        view = st.segmented_control(
            "Show as",
            _VIEWS,
            default=_VIEWS[0],
            required=True,
            key="sql-view",
            label_visibility="collapsed",
        )
        if table.num_columns:
            show_downloads("query", lambda: table, what="The rows of this result.")
    if not table.num_columns:
        st.info("The query answered nothing.", icon=":material/check:")
    elif view == _VIEWS[1]:
        _show_chart(table)
    else:
        height = min((table.num_rows + 1) * _ROW_HEIGHT_PX + 2, _TABLE_HEIGHT_PX)
        st.dataframe(
            table,
            hide_index=True,
            height=height,
            placeholder=fmt.UNKNOWN,
            # Money with every digit it has.
            column_config={
                field.name: st.column_config.NumberColumn(format="plain")
                for field in table.schema
                if pa.types.is_decimal(field.type)
            },
            key="sql-result",
            alt="Result of the query",
        )


def _summary(answer: QueryAnswer) -> str:
    rows = answer.table.num_rows
    counted = f"The first {rows:,} rows" if answer.is_cut else f"{rows:,} row{'s' * (rows != 1)}"
    return (
        f"{counted} · {fmt.duration(answer.elapsed_ns)} · "
        f"{fmt.short_count(answer.read_rows)} rows and {fmt.short_count(answer.read_bytes)}B read"
        " · times are in UTC"
    )


def _show_chart(table: pa.Table) -> None:
    """Show the pickers of a chart and the chart."""
    first = first_plan(table)
    if first is None or not table.num_rows:
        st.info(
            "A chart needs rows with a column of numbers, and another one beside it.",
            icon=":material/bar_chart:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        kind = _pick("Kind", "kind", KINDS, first.kind)
        x = _pick("X", "x", table.column_names, first.x)
        y = _pick("Y", "y", numeric_columns(table), first.y)
        by = _pick("One series per", "by", (_NOTHING, *table.column_names), first.by or _NOTHING)
    plan = Plan(kind, x, y, None if by == _NOTHING else by)
    figure, left_out = sql_chart.figure(table, plan)
    st.plotly_chart(figure, key="sql-figure", alt=f"{y} over {x}")
    if left_out:
        st.caption(f"{left_out:,} smaller series are left out.")


def _pick(label: str, name: str, options: Sequence[str], first: str) -> str:
    """Show a picker that keeps its choice while the result has it."""
    key = f"sql-chart-{name}"
    if st.session_state.get(key) not in options:
        st.session_state[key] = first
    return st.selectbox(label, options, key=key, width=170)


def _content() -> Content:
    chart = {name: st.session_state.get(f"sql-chart-{name}") for name in _CHART_KEYS}
    return {
        "sql": st.session_state.get(_TEXT_KEY),
        "seconds": st.session_state.get("sql-seconds"),
        "view": st.session_state.get("sql-view"),
        "chart": {name: value for name, value in chart.items() if value},
    }


def _apply(saved: Content) -> None:
    _put(str(saved.get("sql") or "")[:LENGTH_LIMIT])
    if saved.get("seconds") in SECONDS:
        st.session_state["sql-seconds"] = saved["seconds"]
    if saved.get("view") in _VIEWS:
        st.session_state["sql-view"] = saved["view"]
    chart = saved.get("chart")
    for name, value in cast("Content", chart).items() if isinstance(chart, dict) else ():
        if name in _CHART_KEYS:
            st.session_state[f"sql-chart-{name}"] = str(value)
    st.session_state[_LOADED_KEY] = True


_show()
