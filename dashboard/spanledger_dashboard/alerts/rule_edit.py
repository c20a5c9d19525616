"""Making, changing, switching off and removing rules, for those who may."""

from __future__ import annotations

import streamlit as st

from spanledger_alerts.channels import load_channels
from spanledger_alerts.errors import AlertsError
from spanledger_alerts.rules import Rule
from spanledger_dashboard.access import Denied
from spanledger_dashboard.alerts.opened import OpenAlerts, alert_settings, demand_to_change
from spanledger_dashboard.alerts.rule_book import DASHBOARD, Entry, with_field
from spanledger_dashboard.alerts.rule_text import (
    LENGTH_LIMIT,
    Mistake,
    Mistaken,
    check_statement,
    checked,
)
from spanledger_dashboard.alerts.rule_view import show_measured, show_runbook
from spanledger_dashboard.connection import store
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain
from spanledger_storage.errors import StateError

_FAILURE_KEY = "rule-failure"
_ASKED_KEY = "rule-asked"
_CHECKED_KEY = "rule-checked"
_HEIGHT_PX = 380


def show_editor(opened: OpenAlerts, where: Scope, text: str, name: str = "") -> None:
    """Show a rule to write, with ways to check, measure and save it.

    Args:
        opened: what it is saved in.
        where: for what project it is measured.
        text: what there is so far.
        name: of the rule that is changed; empty: a new one.
    """
    with st.form(f"rule-form-{name or 'new'}", border=False):
        typed = st.text_area(
            "Rule, as YAML", text, height=_HEIGHT_PX, max_chars=LENGTH_LIMIT, key=f"yaml-{name}"
        )
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            is_check = st.form_submit_button("Check and measure", icon=":material/rule:")
            is_save = st.form_submit_button("Save", type="primary", icon=":material/save:")
            st.caption("docs/alerts.md lists the fields. It holds for all projects at once.")
    if is_save and _save(opened, typed, name):
        st.rerun()
    if is_check or is_save:
        st.session_state[_CHECKED_KEY] = (name, typed)
    # Kept, because the page looks again by itself while somebody reads what was found.
    if st.session_state.get(_CHECKED_KEY) == (name, typed):
        _show_check(where, typed, name)


def _save(opened: OpenAlerts, typed: str, name: str) -> bool:
    """Keep a rule; False: it cannot be, and why is shown."""
    try:
        rule = read(typed, name)
        opened.put_rule(rule.name, typed)
    except Mistaken:
        return False
    except (StateError, Denied) as error:
        st.session_state[_FAILURE_KEY] = str(error)
        return False
    st.toast(f"Rule {plain(rule.name)} is saved; the engine takes it within seconds.")
    st.session_state.pop(_CHECKED_KEY, None)
    st.query_params.pop("new", None)
    st.query_params["rule"] = rule.name
    return True


def _show_check(where: Scope, typed: str, name: str) -> None:
    """Show what is wrong with a rule, or what it measures."""
    if failure := st.session_state.pop(_FAILURE_KEY, None):
        st.error(plain(failure), icon=":material/error:")
    try:
        rule = read(typed, name)
    except Mistaken as error:
        show_mistakes(error.mistakes)
        return
    st.success("It is well written. It is not saved yet.", icon=":material/check:")
    show_measured(rule, where)


def read(text: str, name: str) -> Rule:
    """Return the rule of a text that may be kept.

    Raises:
        Denied: the reader may not change rules.
        Mistaken: it may not be kept.
        StoreError: the store does not answer.
    """
    demand_to_change()
    rule = checked(text, _channel_names(), name)
    check_statement(rule, text, store())
    return rule


def show_mistakes(mistakes: list[Mistake]) -> None:
    """Show what cannot be, each with its line."""
    lines = [f"{f'**Line {one.line}:** ' if one.line else ''}{plain(one.text)}" for one in mistakes]
    st.error("\n\n".join(lines), icon=":material/error:")


def show_switches(opened: OpenAlerts, entry: Entry) -> None:
    """Show buttons that switch a rule on or off, and remove what was made of it here."""
    if failure := st.session_state.pop(_FAILURE_KEY, None):
        st.error(plain(failure), icon=":material/error:")
    is_on = entry.rule.enabled
    with st.container(horizontal=True, gap="small", key="rule-switches"):
        show_runbook(entry.rule)
        st.button(
            "Switch off" if is_on else "Switch on",
            key="rule-switch",
            icon=":material/toggle_off:" if is_on else ":material/toggle_on:",
            help="For all projects. What fires of it ends." if is_on else "For all projects.",
            on_click=_switch,
            args=(opened, entry),
        )
        if entry.source == DASHBOARD:
            _show_removal(opened, entry)


def _show_removal(opened: OpenAlerts, entry: Entry) -> None:
    is_over = bool(entry.stands_for)
    label = f"Back to the {entry.stands_for[-1].lower()} one" if is_over else "Remove"
    if st.session_state.get(_ASKED_KEY) == entry.name:
        st.button(
            f"{label}, for everybody", key="rule-sure", icon=":material/delete_forever:",
            on_click=_remove, args=(opened, entry),
        )  # fmt: skip
    else:
        st.button(
            label, key="rule-remove",
            icon=":material/undo:" if is_over else ":material/delete:",
            on_click=_ask, args=(entry.name,),
        )  # fmt: skip


def _switch(opened: OpenAlerts, entry: Entry) -> None:
    text = with_field(entry.text, "enabled", not entry.rule.enabled)
    try:
        opened.put_rule(entry.name, text)
    except (StateError, Denied) as error:
        st.session_state[_FAILURE_KEY] = str(error)


def _ask(name: str) -> None:
    st.session_state[_ASKED_KEY] = name


def _remove(opened: OpenAlerts, entry: Entry) -> None:
    st.session_state.pop(_ASKED_KEY, None)
    try:
        opened.drop_rule(entry.name)
    except (StateError, Denied) as error:
        st.session_state[_FAILURE_KEY] = str(error)
        return
    if not entry.stands_for:
        st.query_params.pop("rule", None)


def _channel_names() -> set[str] | None:
    """Return the names of the channels; None where this dashboard does not know them."""
    file = alert_settings().channels_file
    if file is None:
        return None
    try:
        return set(load_channels(file))
    except AlertsError:
        return None  # the Channels page says what is wrong
