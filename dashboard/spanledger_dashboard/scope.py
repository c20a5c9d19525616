"""What every page is about: a project, a time range, and the clock and time zone of the reader."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from spanledger_dashboard.connection import store
from spanledger_dashboard.time_range import DEFAULT_RANGE, RANGES, TimeRange

DEFAULT_PROJECT = "default"
_PROJECT_KEY = "project"
_RANGE_KEY = "range"
# Readings within this many seconds of each other share one answer of the store.
_CLOCK_STEP_S = 5


@dataclass(frozen=True, slots=True)
class Scope:
    """What a page shows. Hashable, so cached functions can take it."""

    project: str
    range_key: str
    timezone: str
    custom: TimeRange | None = None

    @property
    def time_range(self) -> TimeRange:
        """The chosen range."""
        return self.custom or RANGES[self.range_key]

    def local(self, unix_s: float) -> datetime:
        """Return a moment on the reader's clock, without zone: it is shown as it is."""
        return datetime.fromtimestamp(unix_s, zone(self.timezone)).replace(tzinfo=None)


def now_s() -> int:
    """Return the clock in unix seconds, in steps of a few seconds."""
    return int(time.time()) // _CLOCK_STEP_S * _CLOCK_STEP_S


def zone(name: str) -> tzinfo:
    """Return a time zone by name; UTC when this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def current() -> Scope:
    """Return the choices the pickers hold now."""
    project = st.session_state.get(_PROJECT_KEY) or DEFAULT_PROJECT
    range_key = st.session_state.get(_RANGE_KEY)
    return Scope(
        project=str(project),
        range_key=range_key if range_key in RANGES else DEFAULT_RANGE,
        timezone=st.context.timezone or "UTC",
    )


def range_picker() -> None:
    """Show the time range picker, bound to the address."""
    st.segmented_control(
        "Time range",
        list(RANGES),
        default=DEFAULT_RANGE,
        required=True,
        key=_RANGE_KEY,
        bind="query-params",
        label_visibility="collapsed",
    )


def project_picker() -> None:
    """Show the project picker, bound to the address."""
    names = _projects()
    st.selectbox(
        "Project",
        names,
        index=names.index(DEFAULT_PROJECT) if DEFAULT_PROJECT in names else 0,
        key=_PROJECT_KEY,
        bind="query-params",
        label_visibility="collapsed",
        icon=":material/folder:",
    )


@st.cache_data(ttl=30, show_spinner=False)
def _projects() -> Sequence[str]:
    found = [str(row["project"]) for row in store().rows("dashboard_projects")]
    return found or [DEFAULT_PROJECT]
