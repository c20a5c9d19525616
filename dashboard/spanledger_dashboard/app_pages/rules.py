"""Rules: what is watched, how each rule fares, and what it would have done."""

from __future__ import annotations

from functools import partial

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard import links, scope
from spanledger_dashboard.access import viewer
from spanledger_dashboard.alerts.engine_state import show_engine
from spanledger_dashboard.alerts.incidents import OPEN_STATES
from spanledger_dashboard.alerts.opened import (
    OpenAlerts,
    alert_settings,
    alerts,
    may_change_rules,
    show_no_state,
)
from spanledger_dashboard.alerts.rule_book import RuleBook, load_book
from spanledger_dashboard.alerts.rule_edit import show_editor, show_switches
from spanledger_dashboard.alerts.rule_table import Fared, fared, rules_file, show_rules
from spanledger_dashboard.alerts.rule_text import NEW_RULE
from spanledger_dashboard.alerts.rule_view import (
    show_backtest,
    show_head,
    show_log,
    show_measured,
    show_runbook,
    show_text,
)
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.failures import explained
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain

_PAGE = "app_pages/rules.py"
_NS_PER_S = 10**9


def _show() -> None:
    opened = alerts()
    if opened is None:
        show_no_state()
        return
    where = scope.current()
    book = load_book(alert_settings(), opened.stored_rules())
    asked = (st.query_params.get("rule") or "").strip()
    if st.query_params.get("new"):
        _show_new(opened, where)
    elif asked:
        _show_one(opened, where, book, asked)
    else:
        _show_list(opened, where, book)


def _fared(opened: OpenAlerts, where: Scope, book: RuleBook) -> list[Fared]:
    window = where.time_range.window(scope.now_s())
    return fared(
        book.of_project(where.project),
        opened.rule_states(where.project),
        opened.instances(where.project, states=OPEN_STATES),
        opened.fired(where.project, window.start_s * _NS_PER_S, window.end_s * _NS_PER_S),
    )


def _show_list(opened: OpenAlerts, where: Scope, book: RuleBook) -> None:
    show_engine(opened, scope.now_s())
    if book.problem and viewer().sees_everything:
        st.error(
            f"Some rules cannot be read, and hold if they did before: {plain(book.problem)}",
            icon=":material/error:",
        )
    found = _fared(opened, where, book)
    with st.container(horizontal=True, vertical_alignment="center"):
        own = sum(one.entry.source != "Built-in" for one in found)
        st.markdown(
            f"**{fmt.count(len(found))}** rules watch this project, {fmt.count(own)} of them "
            "your own",
            width="stretch",
        )
        if may_change_rules():
            st.button("New rule", key="rule-new", icon=":material/add:", on_click=_begin_new)
        read = partial(rules_file, found)
        show_downloads("rules", read, what="The rules with their state, times in UTC")
    picked = show_rules(found, where)
    if not may_change_rules():
        st.caption("Rules are for all projects: an editor or admin who sees all can change them.")
    if picked is not None:
        links.open_here("rule", found[picked].entry.name)


def _begin_new() -> None:
    st.query_params["new"] = "rule"


def _show_new(opened: OpenAlerts, where: Scope) -> None:
    st.button(
        "All rules", key="rules-back", icon=":material/arrow_back:", type="tertiary",
        on_click=_leave_new,
    )  # fmt: skip
    if not may_change_rules():
        st.info(
            "Rules are for all projects: an editor or admin who sees all can make one.",
            icon=":material/lock:",
        )
        return
    st.subheader("New rule", anchor=False)
    show_editor(opened, where, NEW_RULE)


def _leave_new() -> None:
    st.query_params.pop("new", None)


def _show_one(opened: OpenAlerts, where: Scope, book: RuleBook, asked: str) -> None:
    st.page_link(
        _PAGE, label="All rules", icon=":material/arrow_back:", query_params=links.scope_query()
    )
    one = next((o for o in _fared(opened, where, book) if o.entry.name == asked), None)
    if one is None:
        st.info(
            "There is no such rule for this project: it was removed, or is for others.",
            icon=":material/search_off:",
        )
        return
    show_head(one, where)
    if may_change_rules():
        show_switches(opened, one.entry)
    else:
        show_runbook(one.rule)
    names = ["What it sees now", "Over the past", "As it is written"]
    names += ["Change", "Who changed it"] if may_change_rules() else []
    chosen = st.segmented_control(
        "Part", names, default=names[0], required=True, key="part",
        label_visibility="collapsed",
    )  # fmt: skip
    _show_part(opened, where, one, str(chosen))


def _show_part(opened: OpenAlerts, where: Scope, one: Fared, chosen: str) -> None:
    if chosen == "Over the past":
        show_backtest(one.entry, where)
    elif chosen == "As it is written":
        if viewer().sees_everything:
            show_text(one.entry)
        else:
            st.caption("What it says may name other projects; your account sees some of them.")
    elif chosen == "Change" and may_change_rules():
        show_editor(opened, where, one.entry.text, one.entry.name)
    elif chosen == "Who changed it" and may_change_rules():
        changes = opened.rule_log(one.entry.name)
        if not changes:
            st.caption("Nobody changed it here.")
        show_log([(change.at_ns, change.who, change.action) for change in changes], where)
    else:
        show_measured(one.rule, where)


with explained():
    _show()
