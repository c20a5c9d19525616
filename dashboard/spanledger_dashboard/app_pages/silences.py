"""Silences: what is kept quiet, by whom, why and until when; maintenance windows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

import streamlit as st

from spanledger_alerts.silences import Matcher
from spanledger_dashboard import scope
from spanledger_dashboard.access import Denied, viewer
from spanledger_dashboard.alerts.incidents import Shown, load_open
from spanledger_dashboard.alerts.opened import OpenAlerts, alert_settings, alerts, show_no_state
from spanledger_dashboard.alerts.rule_book import load_book
from spanledger_dashboard.alerts.silence_new import show_new
from spanledger_dashboard.alerts.silence_table import (
    matched,
    matchers_text,
    show_silences,
    silences_file,
    state_of,
)
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.failures import explained
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain, shortened
from spanledger_storage.alert_rows import SilenceRow
from spanledger_storage.errors import StateError

_NS_PER_S = 10**9
_FAILURE_KEY = "silence-failure"
_LIVE = ("Holds", "Pending", "Between windows")
_NAME_LIMIT = 80


def _show() -> None:
    opened = alerts()
    if opened is None:
        show_no_state()
        return
    where = scope.current()
    now_ns = time.time_ns()  # the clock itself: what was made a moment ago holds
    if failure := st.session_state.pop(_FAILURE_KEY, None):
        st.error(plain(failure), icon=":material/error:")
    every = opened.silences(where.project, with_past=True, now_ns=now_ns)
    book = load_book(alert_settings(), opened.stored_rules())
    found = load_open(opened, where.project, book, now_ns)
    live = [one for one in every if state_of(one, now_ns) in _LIVE]
    past = [one for one in every if one not in live and _is_in_range(one, where)]
    with st.container(horizontal=True, vertical_alignment="center"):
        holding = sum(state_of(one, now_ns) == "Holds" for one in live)
        said = f"**{holding:,}** of {len(live):,} hold now" if live else "Nothing is silenced now"
        st.markdown(said, width="stretch")
        if viewer().may_save:
            show_new(opened, where, found)
        if every:
            read = partial(silences_file, every, now_ns)
            show_downloads("silences", read, what="Every silence of the project, times in UTC")
    if not every:
        _say_none(where)
        return
    _show_live(opened, where, live, found, now_ns)
    _show_past(where, past, now_ns)


def _show_live(
    opened: OpenAlerts,
    where: Scope,
    live: Sequence[SilenceRow],
    found: Sequence[Shown],
    now_ns: int,
) -> None:
    if not live:
        return
    hits = [
        len(matched([Matcher(*parts) for parts in one.matchers], found, where.project))
        for one in live
    ]
    picked = show_silences(live, hits, where, now_ns, "silences-live")
    if not viewer().may_save:
        return
    if picked is None:
        st.caption("A click on a silence offers to end it.")
        return
    one = live[picked]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(plain(shortened(matchers_text(one), _NAME_LIMIT)))
        st.button(
            "End it now", key="silence-end", icon=":material/notifications_active:",
            on_click=_lift, args=(opened, where.project, one.id),
        )  # fmt: skip


def _show_past(where: Scope, past: Sequence[SilenceRow], now_ns: int) -> None:
    st.markdown("**Over, in this time range**")
    if not past:
        st.caption("None ended in this time range.")
        return
    show_silences(past, [None] * len(past), where, now_ns, "silences-past")


def _is_in_range(one: SilenceRow, where: Scope) -> bool:
    window = where.time_range.window(scope.now_s())
    ended_ns = one.lifted_at_ns if one.lifted_at_ns is not None else one.ends_at_ns
    return window.start_s <= ended_ns // _NS_PER_S < window.end_s


def _lift(opened: OpenAlerts, project: str, silence_id: str) -> None:
    try:
        is_done = opened.lift(project, silence_id)
    except (StateError, Denied) as error:
        st.session_state[_FAILURE_KEY] = str(error)
        return
    st.toast("It is over." if is_done else "It was over already.")


def _say_none(where: Scope) -> None:
    with st.container(border=True, key="no-silences"):
        st.markdown(
            f"Everything that fires in project **{plain(where.project)}** is told. A silence keeps "
            "new incidents quiet for a time: during a release, or every night."
        )
        st.code(
            f"spanledger alerts silence agent=planner --project {where.project} --for 2h "
            "--reason 'a release'",
            language="bash",
        )


with explained():
    _show()
