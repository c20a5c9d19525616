"""Shows why a figure differs from that of another period."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard import tables, times
from spanledger_dashboard.connection import store
from spanledger_dashboard.cost import charts as cost_charts
from spanledger_dashboard.cost import tables as cost_tables
from spanledger_dashboard.cost.change import (
    Compared,
    Explained,
    differences,
    headline,
    load_differences,
    load_explained,
    overall,
    reasons,
)
from spanledger_dashboard.cost.drill import clicked_row, show_drill
from spanledger_dashboard.cost.measures import DIMENSIONS
from spanledger_dashboard.cost.query import Answer, Filters, Question
from spanledger_dashboard.downloads import show_titled
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain

_HEIGHT_PX = 420


def show_change(where: Scope, question: Question, compared: Compared) -> None:
    """Show the difference in words, its parts where they are known, and who is responsible."""
    answer = _differences(question, compared)
    with st.container(border=True, key="change"):
        st.subheader("Why it changed", anchor=False)
        if question.measure.key == "spend":
            _show_explained(where, question, compared, answer)
        else:
            whole = overall(answer, question.measure)
            st.markdown(f"**{plain(headline(question.measure, whole.before, whole.now))}.**")
            _show_periods(where, compared)
            _show_names(where, question, compared, answer)


def _show_explained(where: Scope, question: Question, compared: Compared, answer: Answer) -> None:
    explained = _explained(question.project, compared, question.filters)
    whole = overall(answer, question.measure)
    said = plain(headline(question.measure, whole.before, whole.now))
    why = plain(reasons(explained))
    st.markdown(f"**{said}**{f': {why}' if why else ''}.")
    _show_periods(where, compared)
    _show_gaps(explained)
    left, right = st.columns([5, 6], gap="medium")
    with left:
        change = explained.change
        st.plotly_chart(
            cost_charts.waterfall(change.before_usd, change.now_usd, explained.steps),
            key="waterfall",
            config={"displayModeBar": False},
            alt="From the spend before to the spend now, by reason",
        )
        st.caption(
            "Each part is its mean effect over all orders in which the parts can change "
            "(Shapley value), so together they are the whole difference.",
        )
    with right:
        _show_names(where, question, compared, answer)


def _show_names(where: Scope, question: Question, compared: Compared, answer: Answer) -> None:
    if not question.by:
        st.caption("Choose what to group by to see who is responsible.")
        return
    found = differences(answer, question.measure)
    frame, formats = cost_tables.changes(found, overall(answer, question.measure), answer, question)
    what = " and ".join(DIMENSIONS[key].label.lower() for key in question.by)
    show_titled(f"Change by {what}", "cost-change",
                lambda: cost_tables.as_file(answer, question), is_small=True,
                what="Each name in both periods, with all sums exact")  # fmt: skip
    event = st.dataframe(
        tables.styled(frame, formats),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key="changes",
        height="content" if len(frame) < 11 else _HEIGHT_PX,
        placeholder=fmt.UNKNOWN,
        alt=f"Change by {what}",
    )
    clicked = clicked_row(event, [d.slice for d in found])
    if clicked:
        # What is behind a change are the traces of what is over now.
        shown = replace(question, stretch=compared.now, starts=(compared.now.start_s,))
        clicked = replace(clicked, start_s=compared.now.start_s)
        show_drill(where, shown, answer, clicked, "change")


def _show_periods(where: Scope, compared: Compared) -> None:
    texts: list[str] = []
    both = (compared.now, compared.before)
    for stretch in both:
        first, last = where.local(stretch.start_s), where.local(stretch.end_s)
        texts.append(f"{first:%b %-d %Y, %H:%M} – {last:%b %-d %Y, %H:%M}")
    st.caption(
        plain(f"{texts[0]}, against {texts[1]}. What is not over yet is left out of both."),
        help=", against ".join(times.utc_range(one.start_s, one.end_s) for one in both),
    )


def _show_gaps(explained: Explained) -> None:
    if explained.gaps_now or explained.gaps_before:
        st.caption(
            ":orange[:material/warning:] Without a price or token counts, and so in neither sum: "
            f"{fmt.calls(explained.gaps_now)} now, {fmt.count(explained.gaps_before)} before."
        )


@st.cache_data(ttl=300, max_entries=100, show_spinner="Comparing the periods …")
def _differences(question: Question, compared: Compared) -> Answer:
    return load_differences(store(), question, compared)


@st.cache_data(ttl=300, max_entries=100, show_spinner="Explaining the difference …")
def _explained(project: str, compared: Compared, filters: Filters) -> Explained:
    return load_explained(store(), project, compared, filters)
