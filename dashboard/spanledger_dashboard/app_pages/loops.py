"""Loops: which agents repeat themselves, with what, and what that costs."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard import links, scope
from spanledger_dashboard.connection import store
from spanledger_dashboard.downloads import show_titled
from spanledger_dashboard.empty_state import show_no_data
from spanledger_dashboard.entities.detail import axis_of, read_usage, show_figures
from spanledger_dashboard.failures import explained
from spanledger_dashboard.findings import loops as views
from spanledger_dashboard.findings.data import Findings, Found, load_findings, load_overlaps
from spanledger_dashboard.findings.loops import Loops, code_name, kinds_frame, wasted_bars
from spanledger_dashboard.findings.said import as_said
from spanledger_dashboard.findings.table import found_table, show_cards, show_findings
from spanledger_dashboard.findings.totals import AMOUNTS, Spans, apart
from spanledger_dashboard.freshness import has_data
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.time_range import Window
from spanledger_dashboard.usage import grouped

_KINDS = ("loop",)
_WORST = 50
_PAGE = "app_pages/findings.py"


@st.cache_data(ttl=15, max_entries=50, show_spinner="Reading the loops …")
def _found(project: str, window: Window) -> Findings:
    return load_findings(store(), project, window, _KINDS)


@st.cache_data(ttl=60, max_entries=50, show_spinner="Adding up …")
def _overlaps(project: str, window: Window) -> Spans:
    return load_overlaps(store(), project, window, _KINDS)


def _show() -> None:
    where, now_s = scope.current(), scope.now_s()
    window = where.time_range.window(now_s)
    read = as_said(_found(where.project, window).found, where.project)
    meant = [one for one in read if one.state not in ("false_alarm", "expected")]
    shown = [one for one in meant if not one.is_muted]
    left_out = len(read) - len(shown)
    if not shown:
        _say_none(where, now_s, left_out)
        return
    loops = _loops(where, window, shown)
    over = Decimal(max(3_600, min(window.end_s, now_s) - window.start_s)) / 86_400
    show_cards(views.cards_of(loops, over))
    axis = axis_of(where, window)
    show_figures(
        {
            "Wasted by agent": wasted_bars(loops, axis, lambda one: one.agent_name or "no agent"),
            "Wasted by kind": wasted_bars(loops, axis, lambda one: code_name(one.code)),
        }
    )
    _show_groups(loops)
    show_titled("Worst loops", "loops", partial(found_table, shown),
                what="Every loop counted here, exact", is_small=True)  # fmt: skip
    picked = show_findings(shown[:_WORST], where, key="worst-loops")
    if picked is not None:
        query = {**links.scope_query(), "finding": shown[picked].finding_id}
        st.switch_page(_PAGE, query_params=query)
    if left_out:
        st.caption(f"{fmt.count(left_out)} that are muted, expected or false alarms are left out.")


def _loops(where: Scope, window: Window, shown: list[Found]) -> Loops:
    usage = read_usage(where, window.current_s, None)
    agents = grouped(usage.rows, lambda row: row.agent)
    spans = _overlaps(where.project, window)
    return Loops(
        all=shown,
        counted={amount: apart(shown, spans, amount) for amount in AMOUNTS},
        spend_usd=usage.totals.total_cost_usd,
        agents_usd={agent: sums.total_cost_usd for agent, sums in agents.items()},
    )


def _show_groups(loops: Loops) -> None:
    frame = views.groups_frame(loops)
    left, right = st.columns([5, 2])
    with left:
        st.markdown("**By agent and tool**")
        picked = views.show_groups(frame)
    with right:
        st.markdown("**By kind**")
        views.show_kinds(kinds_frame(loops))
    if picked is not None:
        agent, tool = (str(frame.iloc[picked][name]) for name in ("Agent", "Tool"))
        query = {**links.scope_query(), "kind": "Loop"}
        query |= {} if agent == views.NO_AGENT else {"agent": agent}
        query |= {} if tool == views.NO_TOOL else {"tool": tool}
        st.switch_page(_PAGE, query_params=query)


def _say_none(where: Scope, now_s: int, left_out: int) -> None:
    if not has_data(where.project, now_s):
        show_no_data(where.project)
        return
    more = f" {fmt.count(left_out)} are muted, expected or false alarms." if left_out else ""
    st.info(
        f"No loops in this time range.{more} Repeats, cycles, retries of errors, near repeats, "
        "monologues and hand-offs in a circle appear here within a minute of their spans.",
        icon=":material/check_circle:",
    )


with explained():
    _show()
