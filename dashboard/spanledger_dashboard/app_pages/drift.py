"""Drift: whether agents behave as they did before, by day and feature."""

from __future__ import annotations

import streamlit as st

from spanledger_analytics.drift.judge import TOO_LITTLE
from spanledger_dashboard import format as fmt
from spanledger_dashboard import scope
from spanledger_dashboard.connection import store
from spanledger_dashboard.drift import view
from spanledger_dashboard.drift.charts import days_between
from spanledger_dashboard.drift.data import DAY_S, Check, Shift, load_checks, load_shift
from spanledger_dashboard.empty_state import show_no_data
from spanledger_dashboard.failures import explained
from spanledger_dashboard.freshness import has_data
from spanledger_dashboard.scope import Scope

_LEAST_DAYS = 14
_MOST_ROWS = 500


@st.cache_data(ttl=300, max_entries=50, show_spinner="Reading the checks …")
def _checks(project: str, from_s: int, to_s: int) -> tuple[Check, ...]:
    return load_checks(store(), project, from_s, to_s)


@st.cache_data(ttl=300, max_entries=50, show_spinner="Reading what was compared …")
def _shift(project: str, check: Check) -> Shift:
    return load_shift(store(), project, check)


def _show() -> None:
    where, now_s = scope.current(), scope.now_s()
    window = where.time_range.window(now_s)
    to_s = min(window.end_s, now_s // DAY_S * DAY_S)  # days that are over
    from_s = min(window.start_s, to_s - _LEAST_DAYS * DAY_S) // DAY_S * DAY_S
    checks = _checks(where.project, from_s, to_s)
    if not checks:
        _say_none(where, now_s)
        return
    view.show_cards(view.cards_of(checks))
    agents = view.agents_by_need(checks)
    chosen = st.selectbox(
        "Agent",
        agents,
        index=None,
        key="agent",
        bind="query-params",
        format_func=lambda name: name or view.NO_AGENT,
        placeholder="All agents",
        label_visibility="collapsed",
        width=260,
    )
    days = days_between(from_s, to_s)
    if chosen is None:
        view.show_agents(checks, days)
    else:
        view.show_features(checks, chosen, days)
        checks = tuple(check for check in checks if check.agent_name == chosen)
    _show_checks(where, checks)


def _show_checks(where: Scope, checks: tuple[Check, ...]) -> None:
    shows_all = st.toggle(
        "Also those without enough data",
        key="all_checks",
        bind="query-params",
    )
    wanted = [c for c in checks if shows_all or c.verdict != TOO_LITTLE]
    rows = view.ordered(wanted)[:_MOST_ROWS]
    if not rows:
        st.caption("No feature had enough data to be compared in these days.")
        return
    picked = view.show_checks(rows)
    if len(wanted) > len(rows):
        st.caption(f"The first {fmt.count(len(rows))} of {fmt.count(len(wanted))}.")
    check = rows[picked] if picked is not None and picked < len(rows) else rows[0]
    view.show_shift(check, _shift(where.project, check))


def _say_none(where: Scope, now_s: int) -> None:
    if not has_data(where.project, now_s):
        show_no_data(where.project)
        return
    st.info(
        "No agent has been compared in these days yet. Once a UTC day is over, what each agent did "
        "is compared with the 14 days before: tools, hand-offs, errors, how answers end, steps and "
        "length.",
        icon=":material/hourglass_empty:",
    )


with explained():
    _show()
