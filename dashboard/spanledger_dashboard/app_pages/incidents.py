"""Incidents: what asks for somebody now, why, who is on it, and what ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard import links, scope
from spanledger_dashboard.alerts import incident_table as listing
from spanledger_dashboard.alerts.engine_state import show_engine
from spanledger_dashboard.alerts.incident_detail import show_incident
from spanledger_dashboard.alerts.incidents import (
    MOST_ENDED,
    Shown,
    load_ended,
    load_one,
    load_open,
)
from spanledger_dashboard.alerts.opened import OpenAlerts, alert_settings, alerts, show_no_state
from spanledger_dashboard.alerts.rule_book import RuleBook, load_book
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.failures import explained
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain

_PAGE = "app_pages/incidents.py"
_NS_PER_S = 10**9
_NAME_LIMIT = 80
_MOST_OPEN = 1_000


def _show() -> None:
    opened = alerts()
    if opened is None:
        show_no_state()
        return
    where = scope.current()
    book = load_book(alert_settings(), opened.stored_rules())
    asked = (st.query_params.get("incident") or "").strip()
    if asked:
        _show_one(opened, where, book, asked)
    else:
        _show_list(opened, where, book)


def _show_one(opened: OpenAlerts, where: Scope, book: RuleBook, asked: str) -> None:
    st.page_link(
        _PAGE, label="All incidents", icon=":material/arrow_back:",
        query_params=links.scope_query(),
    )  # fmt: skip
    name = asked[:_NAME_LIMIT]
    now_ns = time.time_ns()
    one = load_one(opened, where.project, book, name, now_ns)
    if one is None:
        st.info(
            "There is no such incident in this project. What ended is kept for ninety days.",
            icon=":material/search_off:",
        )
        return
    others = load_open(opened, where.project, book, now_ns, one.rule_name)
    show_incident(opened, where, one, others, scope.now_s())


def _show_list(opened: OpenAlerts, where: Scope, book: RuleBook) -> None:
    now_s = scope.now_s()
    window = where.time_range.window(now_s)
    # The clock itself: what somebody silenced a moment ago is silenced.
    found = load_open(opened, where.project, book, time.time_ns())
    ended = load_ended(
        opened, where.project, book, window.start_s * _NS_PER_S, window.end_s * _NS_PER_S
    )
    show_engine(opened, now_s)
    if not found and not ended:
        _say_none(where)
        return
    choice = listing.show_filters([*found, *ended])
    found = [one for one in found if choice.allows(one)]
    ended = [one for one in ended if choice.allows(one)]
    listing.show_cards(listing.cards_of(found, ended))
    if choice.state != listing.RESOLVED:
        _show_open(found, where, now_s)
    if choice.state != listing.OPEN:
        _show_ended(ended, where)


def _show_open(found: Sequence[Shown], where: Scope, now_s: int) -> None:
    _heading("Open", "incidents-open", found)
    if not found:
        st.caption(":green[:material/check_circle:] Nothing is open.")
        return
    picked = listing.show_open(found[:_MOST_OPEN], where, now_s)
    if len(found) > _MOST_OPEN:
        st.caption(f"The worst {fmt.count(_MOST_OPEN)}; filters and the download show the others.")
    if picked is not None:
        links.open_here("incident", found[picked].name)


def _show_ended(ended: Sequence[Shown], where: Scope) -> None:
    _heading("Resolved in this time range", "incidents-resolved", ended)
    if not ended:
        st.caption("Nothing ended in this time range.")
        return
    picked = listing.show_ended(ended, where)
    if len(ended) == MOST_ENDED:
        st.caption(f"The latest {fmt.count(MOST_ENDED)}; a shorter range shows others.")
    if picked is not None:
        links.open_here("incident", ended[picked].name)


def _heading(title: str, name: str, found: Sequence[Shown]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{title}**", width="stretch")
        if found:
            read = partial(listing.incidents_file, list(found))
            show_downloads(name, read, what="The incidents listed, exact dollars, times in UTC")


def _say_none(where: Scope) -> None:
    with st.container(border=True, key="no-incidents"):
        st.subheader("Nothing asks for anybody", anchor=False)
        st.markdown(
            f"No incident of project **{plain(where.project)}** is open, and none ended in this "
            "time range. Rules look at budgets, costs, loops, errors, latency, caches and GPUs; "
            "what they find appears here within seconds."
        )
        with st.container(horizontal=True, gap="medium"):
            st.page_link("app_pages/rules.py", label="Look at the rules", icon=":material/rule:")
            st.page_link("app_pages/channels.py", label="Set up a channel", icon=":material/send:")


with explained():
    _show()
