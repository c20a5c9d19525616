"""Whether anybody evaluates the rules: silence means nothing while nobody does."""

from __future__ import annotations

import streamlit as st

from spanledger_alerts.engine import LEASE
from spanledger_dashboard import format as fmt
from spanledger_dashboard.alerts.opened import OpenAlerts

_PATIENCE_S = 60
_NS_PER_S = 10**9


def show_engine(opened: OpenAlerts, now_s: int) -> None:
    """Warn while no engine is at work; show nothing while one is.

    Raises:
        StateError: the state database does not answer.
    """
    until_ns = opened.evaluated_until_ns(LEASE)
    if until_ns is None:
        st.warning(
            "No rule was ever evaluated: `spanledger up` or `spanledger work` does it.",
            icon=":material/pause_circle:",
        )
        return
    silent_s = now_s - until_ns // _NS_PER_S
    if silent_s > _PATIENCE_S:
        st.warning(
            f"Nobody evaluates the rules; the last evaluation was {fmt.ago(silent_s)}. What is "
            "shown is as it was then. Is `spanledger work` running?",
            icon=":material/pause_circle:",
        )
