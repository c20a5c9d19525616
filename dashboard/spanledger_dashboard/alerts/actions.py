"""What people do about an incident: say that they look after it, or keep it quiet."""

from __future__ import annotations

import time

import streamlit as st

from spanledger_dashboard.access import Denied, viewer
from spanledger_dashboard.alerts.incidents import Shown
from spanledger_dashboard.alerts.opened import NOTE_LIMIT, OpenAlerts
from spanledger_dashboard.text import code, plain, shortened
from spanledger_storage.alert_rows import SilenceRow
from spanledger_storage.errors import StateError

LENGTHS = {"30 minutes": 1_800, "1 hour": 3_600, "2 hours": 7_200, "8 hours": 28_800,
           "1 day": 86_400, "7 days": 604_800}  # fmt: skip
_FAILURE_KEY = "alert-failure"
_NOTE_KEY = "ack-note"
_LABEL_LIMIT = 60
_NS_PER_S = 10**9


def show_actions(opened: OpenAlerts, project: str, one: Shown) -> None:
    """Show the buttons of an open incident to those who may press them."""
    if failure := st.session_state.pop(_FAILURE_KEY, None):
        st.error(plain(failure), icon=":material/error:")
    if not one.is_open or not viewer().may_save:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="alert-say"):
        if one.state != "pending" and not one.acknowledged_by:
            st.text_input(
                "Note", key=_NOTE_KEY, max_chars=NOTE_LIMIT, label_visibility="collapsed",
                placeholder="Note, kept in the timeline", width=260,
            )  # fmt: skip
            st.button(
                "Acknowledge",
                key="alert-ack",
                type="primary",
                icon=":material/visibility:",
                help="You look after it: it is not repeated, and goes to nobody else.",
                on_click=_acknowledge,
                args=(opened, project, one),
            )
        with st.popover("Silence", icon=":material/notifications_paused:", key="alert-silence"):
            _show_silence(opened, project, one)


def _acknowledge(opened: OpenAlerts, project: str, one: Shown) -> None:
    note = str(st.session_state.get(_NOTE_KEY) or "").strip()
    try:
        is_new = opened.acknowledge(project, one.rule_name, one.key, note)
    except (StateError, Denied) as error:
        st.session_state[_FAILURE_KEY] = str(error)
        return
    st.session_state[_NOTE_KEY] = ""
    st.toast("Acknowledged." if is_new else "Somebody looks after it already.")


def _show_silence(opened: OpenAlerts, project: str, one: Shown) -> None:
    """Show a form that silences the rule for the labels of the incident."""
    labels = sorted(one.facts.labels.items())
    with st.form("alert-silence-form", border=False):
        lasts = st.selectbox("For", list(LENGTHS), index=2)
        chosen = st.multiselect(
            "Only where",
            [name for name, _ in labels],
            default=[name for name, _ in labels],
            format_func=lambda name: shortened(f"{name}={dict(labels)[name]}", _LABEL_LIMIT),
            help="Without a label the whole rule is silent.",
        )
        reason = st.text_input("Reason", max_chars=NOTE_LIMIT, placeholder="Why; kept for others")
        st.caption(f"Rule {code(one.rule_name)}. What was told before still ends.")
        if not st.form_submit_button("Silence", type="primary"):
            return
    if not reason.strip():
        st.error("Say why: others will want to know.", icon=":material/error:")
        return
    kept = [(name, "=", value) for name, value in labels if name in chosen]
    try:
        opened.silence(_row(project, one, tuple(kept), LENGTHS[lasts], reason.strip()))
    except (StateError, Denied) as error:
        st.error(plain(error), icon=":material/error:")
        return
    st.toast(f"Silenced for {lasts}.")
    st.rerun()


def _row(
    project: str, one: Shown, kept: tuple[tuple[str, str, str], ...], last_s: int, reason: str
) -> SilenceRow:
    now_ns = time.time_ns()
    return SilenceRow(
        id="",
        project=project,
        matchers=(("rule", "=", one.rule_name), *kept),
        starts_at_ns=now_ns,
        ends_at_ns=now_ns + last_s * _NS_PER_S,
        repeats="",
        timezone="UTC",
        author="",
        reason=reason,
        created_at_ns=now_ns,
    )
