"""Cost explorer: any figure by anything over any time, why it changed, and the traces behind it."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard import scope, tables
from spanledger_dashboard.connection import store
from spanledger_dashboard.cost import charts as cost_charts
from spanledger_dashboard.cost import controls as cost_controls
from spanledger_dashboard.cost import tables as cost_tables
from spanledger_dashboard.cost.change import Compared
from spanledger_dashboard.cost.change_view import show_change
from spanledger_dashboard.cost.controls import LINES, TABLE, TREEMAP, View
from spanledger_dashboard.cost.drill import (
    Clicked,
    clicked_bar,
    clicked_name,
    clicked_row,
    clicked_tile,
    follow_click,
    show_drill,
)
from spanledger_dashboard.cost.measures import DIMENSIONS, GAPS, SELF_HOSTED
from spanledger_dashboard.cost.periods import Grain, bucket_starts, comparable, earlier, grain_of
from spanledger_dashboard.cost.query import Answer, Question, Stretch, load_answer, load_values
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.empty_state import show_no_data, show_nothing_in_range
from spanledger_dashboard.freshness import has_data
from spanledger_dashboard.saved_views_ui import show_saved
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain

_DAY_S = 86_400
_TABLE_HEIGHT_PX = 460
_CHART = {"displayModeBar": False}


@st.cache_data(ttl=60, max_entries=200, show_spinner="Adding up …")
def _answer(question: Question) -> Answer:
    return load_answer(store(), question)


@st.cache_data(ttl=120, max_entries=100, show_spinner=False)
def _values(project: str, stretch: Stretch) -> list[tuple[str, str]]:
    return load_values(store(), project, stretch)


def show_page() -> None:
    """Show the page."""
    follow_click()
    where, now_s = scope.current(), scope.now_s()
    window = where.time_range.window(now_s)
    stretch = Stretch(window.start_s, window.end_s)
    view, actions = cost_controls.show(_values(where.project, stretch))
    with actions:
        show_saved("cost", where.project, cost_controls.content, cost_controls.apply)
    grain = grain_of(view.grain, stretch)
    question = Question(
        project=where.project,
        stretch=stretch,
        starts=bucket_starts(stretch, grain, scope.zone(where.timezone)),
        measure=view.measure,
        by=view.by,
        filters=view.filters,
        top=view.top,
    )
    if not question.has_answer:
        _say_no_answer(question)
        return
    answer = _answer(question)
    if not answer.slices:
        _say_empty(where, question, now_s)
        return
    _show_total(question, answer, grain)
    with actions:
        show_downloads(
            "cost",
            lambda: cost_tables.as_file(answer, question),
            what="What is shown, by name and period, with all sums exact",
        )
    if view.shown != TABLE:
        _show_chart(where, view, question, answer, grain)
    if view.compare:
        _show_comparison(where, view, question, now_s)
    _show_table(where, view, question, answer, grain)


def _say_no_answer(question: Question) -> None:
    used = [DIMENSIONS[k] for k in (*question.by, *(key for key, _ in question.filters))]
    odd = ", ".join(dict.fromkeys(d.label.lower() for d in used if not d.is_of_tasks))
    fitting = ", ".join(d.label.lower() for d in DIMENSIONS.values() if d.is_of_tasks)
    st.info(
        f"{question.measure.label} cannot be told by {odd}: one task may use several. "
        f"Tasks can be told by {fitting}.",
        icon=":material/help:",
    )


def _say_empty(where: Scope, question: Question, now_s: int) -> None:
    if question.filters:
        st.info(
            "Nothing matches these filters in this time range. Take one away, or choose a longer "
            "range.",
            icon=":material/search_off:",
        )
    elif has_data(where.project, now_s):
        show_nothing_in_range()
    else:
        show_no_data(where.project)


def _show_total(question: Question, answer: Answer, grain: Grain | None) -> None:
    total, measure = answer.total, question.measure
    parts = [f"**{plain(measure.text(measure.value(total)))}** {measure.label.lower()}"]
    if question.by:
        names = " and ".join(DIMENSIONS[key].label.lower() for key in question.by)
        shown = sum(not one.is_rest for one in answer.slices)
        some = f"{shown:,} of {answer.keys:,}" if answer.keys > shown else f"all {shown:,}"
        parts.append(f"by {names} ({some})")
    parts.append(f"per {grain.key.lower()}" if grain else "in all")
    if measure.unit == "usd":
        for name, what in GAPS.items():
            if number := int(total.get(name, 0)):
                parts.append(f":orange[{fmt.calls(number)} {what}, not in the dollars]")
        if number := int(total.get(SELF_HOSTED, 0)):
            parts.append(f"{fmt.calls(number)} on own machines, with the GPU time used")
    if answer.shared:
        parts.append(f"of {fmt.count(int(total.get('tasks', 0)))} tasks, whatever they used")
    st.markdown(" · ".join(parts))


def _show_chart(
    where: Scope, view: View, question: Question, answer: Answer, grain: Grain | None
) -> None:
    clicked = _chart(where, view, question, answer, grain)
    if clicked:
        show_drill(where, question, answer, clicked, "chart")


def _chart(
    where: Scope, view: View, question: Question, answer: Answer, grain: Grain | None
) -> Clicked | None:
    """Draw the chart and return what is picked in it."""
    title = f"{question.measure.label} by {' and '.join(question.by) or 'time'}"
    if view.shown == TREEMAP:
        option, tiles = cost_charts.treemap(answer, question.measure)
        picked = st.echarts_chart(option, key="treemap", on_select="rerun", height=420, alt=title)
        return clicked_tile(picked, tiles)
    if grain is None:
        figure = cost_charts.by_name(answer, question.measure)
    else:
        labels = [where.local(start) for start in answer.starts]
        stretch = question.stretch
        clock = where.clock(stretch.start_s, stretch.end_s)
        axis = cost_charts.TimeAxis(labels, where.local(stretch.end_s), grain.about_s, clock)
        figure = cost_charts.over_time(answer, question.measure, axis, is_line=view.shown == LINES)
    event = st.plotly_chart(
        figure,
        key="names" if grain is None else "over-time",
        on_select="rerun",
        selection_mode="points",
        config=_CHART,
        alt=title,
    )
    return clicked_name(event, answer) if grain is None else clicked_bar(event, answer)


def _show_rows(
    where: Scope,
    question: Question,
    answer: Answer,
    frame: pd.DataFrame,
    formats: Mapping[str, cost_tables.Text],
) -> None:
    """Show a table whose rows are the slices, and what is picked in it."""
    event = st.dataframe(
        tables.styled(frame, formats),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key="rows",
        height="content" if len(frame) < 13 else _TABLE_HEIGHT_PX,
        placeholder=fmt.UNKNOWN,
        alt="Names in order; pick a row to see its traces",
    )
    clicked = clicked_row(event, answer.slices)
    if clicked:
        show_drill(where, question, answer, clicked, "rows")


def _show_table(
    where: Scope, view: View, question: Question, answer: Answer, grain: Grain | None
) -> None:
    """Show names by period where a table is asked for, else names alone."""
    if view.shown != TABLE or grain is None:
        _show_rows(where, question, answer, *cost_tables.ranking(answer, question))
        return
    labels = [where.local(start) for start in answer.starts]
    frame, formats, has_names = cost_tables.pivot(
        answer, question, labels, day_only=grain.about_s >= _DAY_S
    )
    if has_names:
        _show_rows(where, question, answer, frame, formats)
        return
    st.dataframe(
        tables.styled(frame, formats),
        hide_index=True,
        height=_TABLE_HEIGHT_PX,
        placeholder=fmt.UNKNOWN,
        alt="Periods and names",
    )


def _show_comparison(where: Scope, view: View, question: Question, now_s: int) -> None:
    now = comparable(question.stretch, now_s)
    before = (
        earlier(now, question.stretch, view.compare, scope.zone(where.timezone), view.compare_from)
        if now
        else None
    )
    if now and before:
        show_change(where, question, Compared(now, before))
    elif view.compare == "custom" and view.compare_from is None:
        st.info("Choose the first day of the other period.", icon=":material/date_range:")
    else:
        st.info(
            "These periods overlap, or nothing of the chosen one is over yet. Choose a shorter "
            "range, or another period to compare with.",
            icon=":material/compare_arrows:",
        )
