"""The buttons with which people say what a finding is; for those who may."""

from __future__ import annotations

import streamlit as st

from spanledger_dashboard.access import Denied, viewer
from spanledger_dashboard.connection import OpenFindings, findings
from spanledger_dashboard.findings.data import Found
from spanledger_dashboard.findings.said import STATE_NAMES
from spanledger_dashboard.text import plain
from spanledger_storage.errors import ConfigError, StateError
from spanledger_storage.finding_state import NOTE_LIMIT

_FAILURE_KEY = "finding-failure"
_NOTE_KEY = "finding-note"
_ACTIONS = (
    ("acknowledged", "Acknowledge", ":material/visibility:", "Somebody is looking at it."),
    ("resolved", "Resolve", ":material/check:", "What caused it is gone."),
    ("expected", "Expected", ":material/event_available:",
     "It was planned, such as a load test. Others of its pattern are still shown."),
    ("false_alarm", "False alarm", ":material/notifications_off:",
     "It is none. All findings of its pattern are muted with it: hidden until shown again."),
    ("open", "Reopen", ":material/undo:",
     "As if nobody had said anything; what it muted is shown."),
)  # fmt: skip


def show_actions(project: str, one: Found) -> None:
    """Show a note to write and a button for each state the finding is not in."""
    said = findings()
    if said is None:
        st.caption(
            "What people say of findings is in the state database, and this dashboard is not told "
            "where that is. Set SPANLEDGER_STATE_URL for it."
        )
        return
    if viewer().may_save:
        _show_buttons(said, project, one)
    if failure := st.session_state.pop(_FAILURE_KEY, None):
        st.error(plain(failure), icon=":material/error:")


def _show_buttons(said: OpenFindings, project: str, one: Found) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="finding-say"):
        st.text_input(
            "Note",
            key=_NOTE_KEY,
            max_chars=NOTE_LIMIT,
            placeholder="Note, kept with what you say",
            label_visibility="collapsed",
            width=260,
        )
        for state, label, icon, explanation in _ACTIONS:
            if state == one.state:
                continue
            help_text = explanation
            if state == "false_alarm":
                help_text += f" Pattern: {plain(one.pattern)}"
            st.button(
                label,
                key=f"finding-{state}",
                icon=icon,
                help=help_text,
                on_click=_say,
                args=(said, project, one, state),
            )
        if one.is_muted:
            st.button(
                "Unmute the pattern",
                key="finding-unmute",
                icon=":material/notifications:",
                help=f"Show findings of this pattern again: {plain(one.pattern)}",
                on_click=_unmute,
                args=(said, project, one),
            )


def _say(said: OpenFindings, project: str, one: Found, state: str) -> None:
    try:
        note = str(st.session_state.get(_NOTE_KEY) or "").strip()
        said.say(project, one.finding_id, one.pattern, state, note)
    except (ConfigError, StateError, Denied) as error:
        st.session_state[_FAILURE_KEY] = str(error)
        return
    st.session_state[_NOTE_KEY] = ""
    muted = "; its pattern is muted" if state == "false_alarm" else ""
    st.toast(f"{STATE_NAMES[state]}{muted}.")


def _unmute(said: OpenFindings, project: str, one: Found) -> None:
    try:
        said.unmute(project, one.pattern)
    except (StateError, Denied) as error:
        st.session_state[_FAILURE_KEY] = str(error)
