"""What happened to an incident, in order: its states, people, notifications and their failures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import streamlit as st

from spanledger_alerts.stored import payload_of
from spanledger_dashboard.alerts.incidents import Shown
from spanledger_dashboard.alerts.opened import OpenAlerts
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import beginning, plain
from spanledger_storage.alert_outbox import OutboxRow
from spanledger_storage.alert_reading import AttemptRow
from spanledger_storage.alert_rows import TimelineRow

_MOST_DELIVERIES = 1_000
_MOST_LINES = 100
_NOTE_LIMIT = 300
_DAY_NS = 86_400 * 10**9
_MINUTE_NS = 60 * 10**9
_TIME = pa.timestamp("ns", "UTC")
_SAID = {
    "fired": (":red[:material/error:]", "Fired"),
    "rose": (":red[:material/trending_up:]", "Became more severe"),
    "fell": (":orange[:material/trending_down:]", "Became less severe"),
    "resolved": (":green[:material/check_circle:]", "Resolved"),
    "acknowledged": (":blue[:material/visibility:]", "Acknowledged"),
    "escalated": (":orange[:material/campaign:]", "Escalated to"),
    "sent": (":gray[:material/send:]", "Told"),
    "undelivered": (":red[:material/cancel_schedule_send:]", "Refused by"),
    "retried": (":blue[:material/replay:]", "Tried again"),
    "dropped": (":gray[:material/delete:]", "Given up"),
    "failed": (":orange[:material/sync_problem:]", "Not taken by"),
    "waiting": (":gray[:material/schedule_send:]", "Waits for"),
    "expired": (":red[:material/timer_off:]", "Given up after a day:"),
}
_TRANSITIONS = {
    "trigger": "that it fires",
    "update": "that it changed",
    "acknowledge": "that somebody is on it",
    "resolve": "that it ended",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the timeline; UTC nanoseconds; ``action`` of ``_SAID``."""

    at_ns: int
    action: str
    who: str
    note: str


def load_timeline(opened: OpenAlerts, project: str, one: Shown) -> list[Moment]:
    """Return what happened, the earliest first.

    Raises:
        StateError: the state database does not answer.
    """
    said = opened.history(project, one.key)
    moments = [Moment(row.at_ns, row.action, row.who, _note(row)) for row in said]
    rows = _deliveries(opened, project, one, said)
    for attempt in opened.attempts(project, rows):
        # What was sent or refused is in the history already, in the words of its time.
        if attempt.outcome in ("failed", "expired"):
            moments.append(_failed(attempt))
    moments += [_waiting(row) for row in rows if row.status in ("waiting", "sending")]
    return sorted(moments, key=lambda moment: moment.at_ns)


def show_timeline(moments: Sequence[Moment], where: Scope) -> None:
    """Show the timeline, the latest first."""
    if not moments:
        st.caption("Nothing happened yet.")
        return
    year = None
    for moment in list(reversed(moments))[:_MOST_LINES]:
        at = where.local(moment.at_ns / 1e9)
        if year is not None and at.date() != year:
            st.caption(plain(f"{at:%A, %b %-d}"))
        year = at.date()
        st.markdown(line(moment, where))
    if len(moments) > _MOST_LINES:
        st.caption(f"The latest {_MOST_LINES} of {len(moments):,}; the download has all.")


def line(moment: Moment, where: Scope) -> str:
    """Return a moment as markdown in which nothing from outside is markdown."""
    icon, word = _SAID.get(moment.action, (":gray[:material/circle:]", plain(moment.action)))
    at = where.local(moment.at_ns / 1e9)
    by = f" by **{plain(moment.who)}**" if moment.who else ""
    text = _said_note(moment)
    return f":gray[{plain(f'{at:%b %-d, %H:%M:%S}')}] {icon} {word}{by}{text}"


def _said_note(moment: Moment) -> str:
    note = plain(beginning(moment.note, _NOTE_LIMIT))
    if not note:
        return ""
    if moment.action in ("fired", "rose", "fell"):
        return f", {note}"
    if moment.action == "resolved":
        return ""  # the severity it had is told before
    return f": {note}" if moment.action == "acknowledged" else f" {note}"


def timeline_file(moments: Sequence[Moment], key: str) -> pa.Table:
    """Return the timeline as a table; times in UTC."""
    columns: dict[str, pa.Array[Any]] = {
        "incident": pa.array([key] * len(moments), pa.string()),
        "at": pa.array([one.at_ns for one in moments], _TIME),
        "action": pa.array([one.action for one in moments], pa.string()),
        "who": pa.array([one.who for one in moments], pa.string()),
        "note": pa.array([one.note for one in moments], pa.string()),
    }
    return pa.table(list(columns.values()), names=list(columns))


def _note(row: TimelineRow) -> str:
    """Return the note of a row; of what was sent whom and what: ``trigger · ops``."""
    if row.action not in ("sent", "undelivered", "retried", "dropped"):
        return row.note
    transition, mark, rest = row.note.partition(" · ")
    if not mark:
        return row.note
    if row.action == "undelivered":
        return rest
    if row.action != "sent":
        return f"to tell {rest} {_TRANSITIONS.get(transition, transition)}"
    return f"{rest} {_TRANSITIONS.get(transition, transition)}"


def _deliveries(
    opened: OpenAlerts, project: str, one: Shown, said: Sequence[TimelineRow]
) -> list[OutboxRow]:
    """Return the notifications that name the incident."""
    began_ns = said[0].at_ns if said else one.started_ns
    ended_ns = max([one.ended_ns or 0, *(row.at_ns for row in said)])
    to_ns = 2**62 if one.is_open else ended_ns + _DAY_NS
    rows = opened.deliveries(project, one.rule_name, began_ns - _MINUTE_NS, to_ns, _MOST_DELIVERIES)
    instance_id = one.name.partition("/")[0]
    return [row for row in rows if instance_id in row.payload and _names(row, one.key)]


def _names(row: OutboxRow, key: str) -> bool:
    try:
        payload = payload_of(row.payload)
    except ValueError:
        return False  # of another version
    return any(one.key == key for one in payload.notification.incidents)


def _failed(attempt: AttemptRow) -> Moment:
    reason = f": {attempt.reason}" if attempt.reason else ""
    return Moment(attempt.at_ns, attempt.outcome, "", f"{attempt.channel}{reason}")


def _waiting(row: OutboxRow) -> Moment:
    times = f", {row.attempts} attempts failed" if row.attempts else ""
    return Moment(row.created_at_ns, "waiting", "", f"{row.channel}{times}")
