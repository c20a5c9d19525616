"""The list of silences, and the words for when they hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pandas as pd
import pyarrow as pa
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from spanledger_alerts.silences import Matcher, is_active
from spanledger_dashboard import scope
from spanledger_dashboard.alerts.incidents import Shown, silence_labels
from spanledger_dashboard.cache.tables import table
from spanledger_dashboard.scope import Scope
from spanledger_storage.alert_rows import SilenceRow

State = Literal["Holds", "Pending", "Between windows", "Ended", "Over"]
_NS_PER_S = 10**9
_TIME = pa.timestamp("ns", "UTC")
_MARKS: dict[State, str] = {"Holds": "● ", "Pending": "○ ", "Between windows": "○ "}


def state_of(one: SilenceRow, now_ns: int) -> State:
    """Return whether a silence holds; ended: somebody ended it; over: its time has passed."""
    if one.lifted_at_ns is not None:
        return "Ended"
    if is_active(one, now_ns):
        return "Holds"
    if now_ns < one.starts_at_ns:
        return "Pending"
    return "Between windows" if one.repeats else "Over"


def matched(matchers: Sequence[Matcher], found: Sequence[Shown], project: str) -> list[Shown]:
    """Return the incidents that all matchers are about."""
    return [
        one
        for one in found
        if all(
            matcher.holds(silence_labels(project, one.rule_name, one.facts.labels, one.severity))
            for matcher in matchers
        )
    ]


def matchers_text(one: SilenceRow) -> str:
    """Return the matchers as they are typed."""
    return ", ".join("".join(parts) for parts in one.matchers)


def show_silences(
    found: Sequence[SilenceRow],
    counts: Sequence[int | None],
    where: Scope,
    now_ns: int,
    key: str,
) -> int | None:
    """Show silences; return the row a reader picked.

    Args:
        found: the silences.
        counts: of each how many open incidents it is about; None: it does not matter any more.
        where: whose clock.
        now_ns: UTC nanoseconds.
        key: of the table.
    """
    frame = pd.DataFrame(
        {
            "State": [_state_text(state_of(one, now_ns)) for one in found],
            "Matches": [matchers_text(one) for one in found],
            "From": [where.local(one.starts_at_ns / _NS_PER_S) for one in found],
            "Until": [where.local(_until_ns(one) / _NS_PER_S) for one in found],
            "Repeats": [_repeats(one) for one in found],
            "Incidents": pd.array(list(counts), dtype="Int64"),
            "Author": [one.author for one in found],
            "Reason": [one.reason for one in found],
            "Ended by": [one.lifted_by or None for one in found],
        }
    )
    return table(
        frame, {}, _config(), key=key, alt="Silences, the newest first; a click chooses one",
        is_open=True,
    )  # fmt: skip


def _config() -> dict[str, ColumnConfig]:
    moment = "MMM D, HH:mm"
    return {
        "State": st.column_config.TextColumn(width=120),
        "Matches": st.column_config.TextColumn(width=230),
        "From": scope.moments(moment),
        "Until": scope.moments(
            moment, explanation="Of one that repeats: the end of its first window."
        ),
        "Incidents": st.column_config.NumberColumn(help="Open ones that it is about."),
        "Repeats": st.column_config.TextColumn(width=140),
        "Author": st.column_config.TextColumn(width=110),
        "Reason": st.column_config.TextColumn(width=200),
    }


def silences_file(found: Sequence[SilenceRow], now_ns: int) -> pa.Table:
    """Return silences as a table; times in UTC."""
    text, moment = pa.string(), _TIME
    columns: dict[str, tuple[list[object], pa.DataType]] = {
        "silence": ([one.id for one in found], text),
        "state": ([state_of(one, now_ns) for one in found], text),
        "matchers": ([matchers_text(one) for one in found], text),
        "starts": ([one.starts_at_ns for one in found], moment),
        "ends": ([one.ends_at_ns for one in found], moment),
        "repeats": ([one.repeats for one in found], text),
        "timezone": ([one.timezone for one in found], text),
        "author": ([one.author for one in found], text),
        "reason": ([one.reason for one in found], text),
        "created": ([one.created_at_ns for one in found], moment),
        "ended": ([one.lifted_at_ns for one in found], moment),
        "ended_by": ([one.lifted_by for one in found], text),
    }
    arrays = [pa.array(values, kind) for values, kind in columns.values()]
    return pa.table(arrays, names=list(columns))


def _state_text(state: State) -> str:
    return f"{_MARKS.get(state, '')}{state}"


def _until_ns(one: SilenceRow) -> int:
    return one.ends_at_ns if one.lifted_at_ns is None else min(one.lifted_at_ns, one.ends_at_ns)


def _repeats(one: SilenceRow) -> str | None:
    return f"{one.repeats}, {one.timezone}" if one.repeats else None
