"""What the page shows: figures, what a task is made of, change, groups, the dearest tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import pyarrow as pa
import streamlit as st

from spanledger_analytics.unit_economics.full_cost import Group
from spanledger_dashboard import format as fmt
from spanledger_dashboard import links, scope, tables
from spanledger_dashboard.cost.charts import waterfall
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain
from spanledger_dashboard.unit_economics import charts
from spanledger_dashboard.unit_economics.change import Explained, headline, reasons
from spanledger_dashboard.unit_economics.controls import Choice
from spanledger_dashboard.unit_economics.query import PER_DECADE
from spanledger_dashboard.unit_economics.tables import group_frame, traces_of, worst_frame

_CHART = {"displayModeBar": False}
_TABLE_HEIGHT_PX = 440


@dataclass(frozen=True, slots=True)
class Card:
    """One figure; ``change`` against the period before, ``good`` whether more of it is better."""

    label: str
    text: str
    note: str
    help: str
    change: str | None = None
    good: Literal["normal", "inverse", "off"] = "off"


def cards(now: Group, before: Group | None, period: str) -> list[Card]:
    """Return the figures of all tasks; ``before`` None: nothing ended in the period before."""
    cost, earlier = now.usd_per_completed, before.usd_per_completed if before else None
    change = None if cost is None or earlier is None else fmt.change(cost, earlier)
    attempts = now.attempts_per_completed
    vain = now.tax_usd + now.parts["retries"]
    return [
        Card(
            "Per completed task",
            fmt.usd(cost),
            period if change else "nothing earlier to compare",
            f"{fmt.usd(now.total_usd)} for {fmt.count(now.ended)} tasks that ended, over the "
            f"{fmt.count(now.completed)} completed. What the others cost is in it.",
            change,
            "inverse",
        ),
        Card(
            "Completed",
            fmt.percent(now.completed, now.ended),
            f"{fmt.count(now.completed)} of {fmt.count(now.ended)} tasks",
            f"{fmt.count(now.failed)} failed or were handed over, {fmt.count(now.abandoned)} were "
            f"abandoned. {fmt.count(now.unended)} tasks have no outcome and are left out.",
        ),
        Card(
            "Attempts each",
            fmt.UNKNOWN if attempts is None else f"{float(attempts):.2f}×",
            "per completed task",
            f"{fmt.count(now.attempts)} attempts at tasks that ended, over the completed ones.",
        ),
        Card(
            "Spent in vain",
            fmt.percent(vain, now.total_usd),
            fmt.usd(vain),
            "Retries, failed and abandoned tasks: completed tasks bear it.",
        ),
        Card(
            "Median",
            fmt.usd(now.median_usd),
            "own attempts alone",
            "Half of the completed tasks cost no more, without a share of what others cost.",
        ),
        Card(
            "p95",
            fmt.usd(now.p95_usd),
            f"worst {fmt.usd(now.worst_usd)}",
            "95 of 100 completed tasks cost no more, without a share of what others cost.",
        ),
    ]


def show_cards(found: Sequence[Card]) -> None:
    """Show the figures in one row."""
    with st.grid(len(found), min_column_width=165, gap="small"):
        for card in found:
            st.metric(
                card.label,
                card.text,
                card.change,
                delta_color=card.good if card.change else "off",
                delta_arrow="auto" if card.change else "off",
                delta_description=card.note,
                border=True,
                height="stretch",
                help=card.help,
            )


def show_left_out(group: Group) -> None:
    """Say what is not in the figures: calls without a price, tasks without an end."""
    gaps = group.gaps or {}
    said: list[str] = []
    if number := gaps.get("unpriced_calls", 0):
        said.append(f"{fmt.calls(number)} not priced")
    if number := gaps.get("calls_without_usage", 0):
        said.append(f"{fmt.calls(number)} without token counts")
    if said:
        st.warning(
            f"**{plain(' and '.join(said))}** at these tasks. The dollars do not contain them.",
            icon=":material/warning:",
        )
    if group.unended:
        is_one = group.unended == 1
        st.caption(
            f"{fmt.count(group.unended)} more {'task has' if is_one else 'tasks have'} no outcome "
            f"({plain(fmt.usd(group.unended_usd))}): still running, or nobody told how it ended."
        )


def show_composition(group: Group) -> None:
    """Show what a completed task is made of."""
    with st.container(border=True):
        st.markdown("**What a completed task is made of**")
        if not group.completed:
            st.markdown(
                "No task was completed. What ended otherwise "
                f"({fmt.count(group.ended)}) cost {plain(fmt.usd(group.total_usd))}, and nothing "
                "bears it."
            )
            return
        st.plotly_chart(
            charts.composition(group),
            key="composition",
            config=_CHART,
            alt="Cost of a completed task by part",
        )
        st.caption(
            "Plain: the attempts that completed a task. Hatched: what was spent in vain, which "
            "completed tasks bear in equal parts."
        )


def show_trend(groups: Sequence[Group | None], times: charts.Times) -> None:
    """Show the cost of a completed task over time."""
    with st.container(border=True):
        st.markdown("**Cost per completed task**")
        st.plotly_chart(
            charts.trend(groups, times),
            key="trend",
            config=_CHART,
            alt="Cost per completed task over time, by part",
        )


def show_spread(bars: Sequence[tuple[int, int]]) -> None:
    """Show how the costs of completed tasks are distributed."""
    with st.container(border=True):
        st.markdown("**Completed tasks by cost**")
        st.plotly_chart(
            charts.spread(bars, PER_DECADE),
            key="spread",
            config=_CHART,
            alt="Number of completed tasks by cost",
        )


def show_change(explained: Explained | None, periods: str) -> None:
    """Show why a completed task costs something else than before."""
    with st.container(border=True, key="change"):
        st.markdown("**Why it changed**")
        if explained is None:
            st.caption("No task was completed in one of the periods, so there is no difference.")
            return
        change = explained.change
        why = plain(reasons(change))
        st.markdown(f"{plain(headline(change))}{f': {why}' if why else ''}.")
        before, now = explained.completed
        st.caption(
            plain(f"{periods} {fmt.count(now)} completed tasks now, {fmt.count(before)} before.")
        )
        if change.difference or explained.steps:
            st.plotly_chart(
                waterfall(change.before_usd, change.now_usd, explained.steps),
                key="waterfall",
                config=_CHART,
                alt="From the cost of a completed task before to the cost now, by reason",
            )
            st.caption(
                "Each part is its mean effect over all orders in which the parts can change "
                "(Shapley value), so together they are the whole difference."
            )


def show_groups(groups: Sequence[Group], number: int, choice: Choice) -> None:
    """Show groups of tasks as a table; a click narrows the page to one."""
    frame, formats = group_frame(groups, choice.label)
    if number > len(groups):
        st.caption(f"The {fmt.count(len(groups))} that cost most, of {fmt.count(number)}.")
    event = st.dataframe(
        tables.styled(frame, formats),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"groups-{choice.column}",
        height="content" if len(frame) < 11 else _TABLE_HEIGHT_PX,
        placeholder=fmt.UNKNOWN,
        alt=f"Cost per completed task by {choice.label}; pick a row to see it alone",
    )
    rows = event["selection"]["rows"]
    if rows:
        text = choice.filter_text(groups[rows[0]].name)
        if text:
            st.button(
                f"Show {plain(text)} alone",
                icon=":material/filter_alt:",
                on_click=_narrow,
                args=(text,),
            )


def _narrow(text: str) -> None:
    chosen = cast("Sequence[str]", st.session_state.get("only") or ())
    st.session_state["only"] = [*chosen, *([] if text in chosen else [text])]


def show_worst(found: pa.Table, whole: Group, where: Scope) -> None:
    """Show the dearest tasks; a click opens the trace that cost most."""
    if not found.num_rows:
        st.caption("None in this time range.")
        return
    frame, formats = worst_frame(found, whole, where.local)
    event = st.dataframe(
        tables.styled(frame, formats),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key="worst",
        height="content" if len(frame) < 11 else _TABLE_HEIGHT_PX,
        placeholder=fmt.UNKNOWN,
        column_config={"Began": st.column_config.Column(help=scope.clock_text())},
        alt="The dearest tasks; pick a row to open its dearest trace",
    )
    rows = event["selection"]["rows"]
    if rows:
        links.open_trace(traces_of(found)[rows[0]])


def show_no_outcomes(tasks: int) -> None:
    """Explain how to tell how tasks end."""
    with st.container(border=True, key="no-outcomes"):
        st.subheader("No outcomes yet", anchor=False)
        st.markdown(
            f"{fmt.count(tasks)} task{'' if tasks == 1 else 's'} began in this time range, and "
            "none told how it ended. A completed task has a price once its agent says so:"
        )
        st.code(
            'with spanledger.task("ticket-42"):\n'
            "    agent.run()\n"
            '    spanledger.outcome("completed")  # or failed, escalated, abandoned',
            language="python",
        )
        st.caption(
            "Without the SDK: the attributes `spanledger.task.outcome` and `spanledger.task.id` on "
            "a span. Traces of one task id are attempts at one task; without an id each trace is a "
            "task."
        )
