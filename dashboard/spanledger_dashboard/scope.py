"""What every page is about: a project, a time range, and the clock and time zone of the reader.

The pickers (``pickers.py``) hold the choices; what they held last is kept for pages that show no
picker. A project that is not open to the reader is never returned, wherever it was asked for, so a
query that takes the project from here reads nothing of another.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from spanledger_dashboard import times
from spanledger_dashboard.access import Denied, Viewer, viewer
from spanledger_dashboard.connection import state, store
from spanledger_dashboard.time_range import DEFAULT_RANGE, RANGES, TimeRange
from spanledger_storage.errors import StateError
from spanledger_storage.projects import Projects

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

DEFAULT_PROJECT = "default"
PROJECT_KEY = "project"
RANGE_KEY = "range"
CUSTOM = "custom"
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

    def clock(self, *unix_s: float) -> str:
        """Return how far the reader's clock is from UTC at some moments: ``UTC+01:00``."""
        return times.clock(zone(self.timezone), *unix_s)

    def unix_s(self, local: datetime) -> int:
        """Return the moment of a reading of the reader's clock, unix seconds."""
        return int(local.replace(tzinfo=zone(self.timezone)).timestamp())


@dataclass(slots=True)
class Kept:
    """What the pickers held last in this session, and the bounds of a range somebody chose.

    Attributes:
        from_s: unix seconds; None: no bounds were ever chosen.
        to_s: the same.
    """

    project: str = ""
    range_key: str = DEFAULT_RANGE
    from_s: int | None = None
    to_s: int | None = None

    @property
    def custom(self) -> TimeRange | None:
        """The chosen bounds as a range."""
        if self.from_s is None or self.to_s is None:
            return None
        return TimeRange.between(self.from_s, self.to_s)


def kept() -> Kept:
    """Return what the session remembers."""
    return cast("Kept", st.session_state.setdefault("kept-scope", Kept()))


def now_s() -> int:
    """Return the clock in unix seconds, in steps of a few seconds."""
    return int(time.time()) // _CLOCK_STEP_S * _CLOCK_STEP_S


def zone(name: str) -> tzinfo:
    """Return a time zone by name; UTC when this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def moments(form: str, *, width: int | None = None, explanation: str = "") -> ColumnConfig:
    """Return the look of a column of moments on the reader's clock; its heading tells UTC.

    Args:
        form: as moment.js writes moments.
        width: in pixels.
        explanation: what else its heading says.
    """
    said = f"{explanation} {clock_text()}".lstrip()
    return st.column_config.DatetimeColumn(format=form, width=width, help=said)


def clock_text() -> str:
    """Return how far the reader's clock is from UTC now, as a sentence."""
    name = st.context.timezone or "UTC"
    return f"On your clock, {times.clock(zone(name), time.time())} now."


def current() -> Scope:
    """Return the choices the pickers hold now.

    Raises:
        Denied: the project is not open to the reader, or none is.
        SignedOut: the session has ended.
    """
    person, last = viewer(), kept()
    project = str(st.session_state.get(PROJECT_KEY) or last.project or default_project(person))
    if not person.may_see(project):
        raise Denied(f"Project {project} is not open to you, or it does not exist.")
    range_key = st.session_state.get(RANGE_KEY) or last.range_key
    custom = last.custom if range_key == CUSTOM else None
    return Scope(
        project=project,
        range_key=range_key if range_key in RANGES or custom else DEFAULT_RANGE,
        timezone=st.context.timezone or "UTC",
        custom=custom,
    )


def default_project(person: Viewer) -> str:
    """Return the project somebody starts with.

    Raises:
        Denied: no project is open to them.
    """
    if person.may_see(DEFAULT_PROJECT):
        return DEFAULT_PROJECT
    if not person.projects:
        raise Denied(
            "No project is open to you yet. An admin can open one: "
            f"spanledger accounts set-role {person.name} --role {person.role} --project PROJECT"
        )
    return min(person.projects)


def project_names(person: Viewer) -> Sequence[str]:
    """Return the projects open to somebody, sorted: those with data and those that were made."""
    if person.projects is not None:
        return sorted(person.projects)
    return _all_projects()


def follow(project: str) -> None:
    """Let later pages show a project: that of the trace somebody came to by a link.

    Raises:
        Denied: it is not open to the reader.
    """
    if not viewer().may_see(project):
        raise Denied(f"Project {project} is not open to you, or it does not exist.")
    kept().project = project


@st.cache_data(ttl=30, show_spinner=False)
def _all_projects() -> Sequence[str]:
    found = {str(row["project"]) for row in store().rows("dashboard_projects")}
    return sorted(found | _made_projects() | {DEFAULT_PROJECT})


def _made_projects() -> set[str]:
    engine = state()
    if engine is None:
        return set()
    try:
        return {row.project.name for row in Projects(engine).all()}
    except StateError:
        return set()  # those with data are enough to look around
