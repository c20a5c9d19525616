"""Overview: is anything wrong, what does it cost today, and why more than before?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import streamlit as st

from spanledger_dashboard import charts, line_charts, links, scope
from spanledger_dashboard import format as fmt
from spanledger_dashboard.connection import store
from spanledger_dashboard.empty_state import show_no_data, show_nothing_in_range
from spanledger_dashboard.entities.detail import (
    axis_of,
    draw_figure,
    figure_card,
    read_latencies,
    show_figure,
)
from spanledger_dashboard.failures import explained
from spanledger_dashboard.freshness import show_freshness
from spanledger_dashboard.latency import NO_LATENCIES
from spanledger_dashboard.overview import attention
from spanledger_dashboard.overview.attention import Notice, Urgency
from spanledger_dashboard.overview.day_spend import DaySpend, load_day_spend
from spanledger_dashboard.overview.figures import health_figures, money_figures
from spanledger_dashboard.overview.figures import show_figures as show_cards
from spanledger_dashboard.overview.gaps import show_gaps
from spanledger_dashboard.overview.movers import Mover, load_user_movers, top_movers
from spanledger_dashboard.overview.tables import (
    Lists,
    show_agents,
    show_models,
    show_movers,
    show_speeds,
)
from spanledger_dashboard.overview.tasks import Active, Tasks, load_active, load_tasks
from spanledger_dashboard.read_ahead import read_ahead
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain
from spanledger_dashboard.time_range import Window
from spanledger_dashboard.usage import (
    Key,
    Usage,
    by_agent,
    by_model,
    grouped,
    load_usage,
    models_without_name,
)

_MAX_NOTICES = 6
# One figure of two at a time: a browser takes longer to draw figures than for all else here.
_SPENDERS: Mapping[str, Key] = {"By model": by_model, "By agent": by_agent}
_SPEEDS = {"Whole call": False, "First token": True}
_BADGES: dict[Urgency, tuple[str, Literal["red", "orange", "blue"]]] = {
    Urgency.now: ("Incomplete", "red"),
    Urgency.soon: ("Doubtful", "orange"),
    Urgency.note: ("Note", "blue"),
}


def show_page() -> None:
    """Show the page."""
    with explained():
        where = scope.current()
        now_s = scope.now_s()
        _begin(where, now_s)
        newest = show_freshness(where.project, now_s)
        # Within a bucket the same answer holds, as long as it is kept.
        found = _lists(where, where.time_range.window(now_s).current_s)
        if not found.is_empty:
            _show(where, found, now_s // 60 * 60)
        elif newest is None:
            show_no_data(where.project)
        else:
            show_nothing_in_range()


def _begin(where: Scope, now_s: int) -> None:
    """Ask the store at once for what the page needs from top to bottom."""
    window = where.time_range.window(now_s)
    read_ahead(
        lambda: _usage(where, window.current_s),
        lambda: _tasks(where.project, window),
        lambda: read_latencies(where, window, None),
        lambda: _user_movers(where.project, window),
        lambda: _day(where, now_s // 60 * 60),
        lambda: _active(where.project, now_s // 15 * 15),
    )


def _show(where: Scope, found: Lists, minute_s: int) -> None:
    current_s = found.window.current_s
    has_gaps = _show_cards(where, current_s)
    _show_notices(_notices(where.project, minute_s), is_all=not has_gaps)
    left, right = st.columns([3, 2])
    with left:
        _show_spend(where, current_s)
        _show_tokens(where, current_s)
    with right:
        _show_day(where, minute_s)
        with st.container(border=True):
            show_movers(found, f"vs {where.time_range.label} before")
    left, right = st.columns(2)
    with left:
        _show_calls(where, current_s)
    with right:
        _show_speed(where, current_s)
    left, right = st.columns(2)
    with left:
        show_models(found)
    with right:
        show_agents(found)
    show_speeds(found)


# Of what follows the elements are kept, not only their figures: drawing them anew at each rerun
# takes far longer than sending them again.


@st.cache_data(ttl=15, max_entries=50, show_spinner="Adding up …")
def _show_cards(where: Scope, current_s: int) -> bool:
    """Show the cards; return whether calls are missing from the sums."""
    now_s = scope.now_s()
    usage = _usage(where, current_s)
    latencies = read_latencies(where, usage.window, None)
    tasks = _tasks(where.project, usage.window)
    period = f"vs {where.time_range.label} before"
    active = _active(where.project, now_s // 15 * 15)
    money = money_figures(_day(where, now_s // 60 * 60), usage, tasks, period)
    show_cards([*money, *health_figures(usage, latencies.total, active, tasks, period)])
    return show_gaps(usage)


@st.fragment
def _show_spend(where: Scope, current_s: int) -> None:
    with figure_card("Spend", _SPENDERS, key="spend_by") as chosen:
        _draw_spend(where, current_s, chosen)


@st.cache_data(ttl=15, max_entries=50, show_spinner="Adding up …")
def _draw_spend(where: Scope, current_s: int, chosen: str) -> None:
    usage = _usage(where, current_s)
    axis = axis_of(where, usage.window)
    figure = charts.spend_by(usage.rows, axis, _SPENDERS[chosen])
    draw_figure(f"Spend {chosen.lower()}", figure)


@st.cache_data(ttl=15, max_entries=50, show_spinner="Adding up …")
def _show_tokens(where: Scope, current_s: int) -> None:
    usage = _usage(where, current_s)
    axis = axis_of(where, usage.window)
    show_figure("Tokens by class", charts.tokens_by_class(usage.rows, axis))


@st.cache_data(ttl=60, max_entries=50, show_spinner="Adding up …")
def _show_day(where: Scope, minute_s: int) -> None:
    day = _day(where, minute_s)
    names = (
        f"Today {fmt.usd(day.today_usd)}",
        f"Yesterday {fmt.usd(day.yesterday_usd)} by now",
        f"A week ago {fmt.usd(day.last_week_usd)} by now",
    )
    hours = (day.moments.now_s - day.moments.today_s) / 3_600
    show_figure("Spend since midnight", line_charts.day_curves(day.curves, names, hours))


@st.cache_data(ttl=15, max_entries=50, show_spinner="Adding up …")
def _show_calls(where: Scope, current_s: int) -> None:
    usage = _usage(where, current_s)
    axis = axis_of(where, usage.window)
    show_figure("Calls and errors", charts.calls_and_errors(usage.rows, axis))


@st.fragment
def _show_speed(where: Scope, current_s: int) -> None:
    with figure_card("Latency", _SPEEDS, key="latency_of") as chosen:
        _draw_speed(where, current_s, chosen)


@st.cache_data(ttl=15, max_entries=50, show_spinner="Adding up …")
def _draw_speed(where: Scope, current_s: int, chosen: str) -> None:
    usage = _usage(where, current_s)
    axis = axis_of(where, usage.window)
    latencies = read_latencies(where, usage.window, None)
    figure = line_charts.latency_lines(latencies.by_bucket, axis, is_ttft=_SPEEDS[chosen])
    draw_figure(f"Latency: {chosen.lower()}", figure)


def _show_notices(found: Sequence[Notice], *, is_all: bool) -> None:
    if not found:
        nothing = "Nothing" if is_all else "Nothing else"
        said = f"{nothing} found in the last 24 hours that needs a look."
        st.caption(f":green[:material/check_circle:] {said}")
        return
    with st.container(border=True, key="attention", gap="small"):
        for notice in found[:_MAX_NOTICES]:
            label, color = _BADGES[notice.urgency]
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.badge(notice.badge or label, color=color)
                amount = f" · {plain(notice.amount)}" if notice.amount else ""
                st.markdown(f"**{plain(notice.title)}**{amount}", width="stretch")
                query = {**links.scope_query(), **notice.query}
                st.page_link(notice.page, label="Look", query_params=query)
        left_out = len(found) - _MAX_NOTICES
        more = f" {left_out} more." if left_out > 0 else ""
        st.caption(f"In the last 24 hours.{more}")


@st.cache_resource(ttl=15, max_entries=50, show_spinner="Adding up …")
def _lists(where: Scope, current_s: int) -> Lists:
    usage = _usage(where, current_s)
    window = usage.window
    users = _user_movers(where.project, window) if usage.rows else []
    return Lists(
        window=window,
        is_empty=not usage.rows,
        nameless=models_without_name((*usage.parts, *usage.before_parts)),
        movers=top_movers(usage, users),
        models=grouped(usage.parts, by_model),
        agents=grouped(usage.parts, by_agent),
        latencies=read_latencies(where, window, None) if usage.rows else NO_LATENCIES,
    )


@st.cache_resource(ttl=15, max_entries=50, show_spinner=False)
def _usage(where: Scope, current_s: int) -> Usage:
    return load_usage(store(), where.project, where.time_range, current_s)


@st.cache_data(ttl=60, max_entries=50, show_spinner=False)
def _day(where: Scope, minute_s: int) -> DaySpend:
    return load_day_spend(store(), where.project, scope.zone(where.timezone), minute_s)


@st.cache_data(ttl=60, max_entries=50, show_spinner=False)
def _tasks(project: str, window: Window) -> Tasks:
    return load_tasks(store(), project, window)


@st.cache_data(ttl=120, max_entries=50, show_spinner=False)
def _user_movers(project: str, window: Window) -> list[Mover]:
    return load_user_movers(store(), project, window)


@st.cache_data(ttl=15, max_entries=50, show_spinner=False)
def _active(project: str, now_s: int) -> Active:
    return load_active(store(), project, now_s)


@st.cache_data(ttl=60, max_entries=50, show_spinner=False)
def _notices(project: str, minute_s: int) -> list[Notice]:
    return attention.notices(store(), project, minute_s)
