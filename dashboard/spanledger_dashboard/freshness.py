"""How new the data is: one quiet line that turns into a warning when nothing arrives."""

from __future__ import annotations

from typing import cast

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard import times
from spanledger_dashboard.connection import store


def has_data(project: str, now_s: int) -> bool:
    """Return whether a project received anything in the last seven days."""
    return _freshness(project, now_s)[0] is not None


def show_freshness(project: str, now_s: int) -> int | None:
    """Show when the newest span arrived; return that moment in unix ms, None: never."""
    received_at_ms, lag_ms = _freshness(project, now_s)
    if received_at_ms is None:
        st.caption(":material/radio_button_unchecked: No span received in the last seven days.")
        return None
    age_s = max(0.0, now_s - received_at_ms / 1000)
    delay = fmt.duration(None if lag_ms is None else lag_ms * 1_000_000)
    lag = "" if lag_ms is None else f" · spans arrive {delay} after they end"
    icon = ":green[●]" if age_s < 300 else ":gray[●]"
    st.caption(f"{icon} Newest span {fmt.ago(age_s)}{lag}", help=times.utc(received_at_ms / 1000))
    return received_at_ms


@st.cache_data(ttl=60, max_entries=100, show_spinner=False)
def _freshness(project: str, now_s: int) -> tuple[int | None, int | None]:
    row = store().rows("dashboard_freshness", {"project": project, "now_s": now_s})[0]
    received, lag = cast("int | None", row["received_at_ms"]), cast("float | None", row["lag_ms"])
    return received, None if lag is None else int(lag)
