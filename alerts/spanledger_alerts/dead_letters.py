"""What people do with notifications that a channel refused: have them tried again, or give them up.

Each is a line in the timeline of every incident that the notification tells of.
"""

from __future__ import annotations

from pydantic import ValidationError

from spanledger_alerts.stored import payload_of
from spanledger_storage.alert_letters import AlertLetters, Outcome
from spanledger_storage.alert_outbox import OutboxRow
from spanledger_storage.alert_rows import TimelineRow

_WHO_LIMIT = 128


def retry(letters: AlertLetters, letter_id: int, who: str, now_ns: int) -> Outcome:
    """Have a dead letter tried again; how it ends is up to the sender.

    Asking twice changes nothing. What the channel has taken already is not told again: the sender
    tells how things are now, under the keys that the incidents have.
    """
    return letters.retry(letter_id, now_ns, lambda row: _said(row, "retried", who, now_ns))


def drop(letters: AlertLetters, letter_id: int, who: str, now_ns: int) -> Outcome:
    """Give a dead letter up: nobody is told, and what the channel has open stays open there."""
    return letters.drop(letter_id, lambda row: _said(row, "dropped", who, now_ns))


def incidents_of(row: OutboxRow) -> list[str]:
    """Return the keys of the incidents that a notification tells of; none of another version's."""
    try:
        payload = payload_of(row.payload)
    except ValidationError:
        return []
    return [one.key for one in payload.notification.incidents]


def _said(row: OutboxRow, action: str, who: str, now_ns: int) -> list[TimelineRow]:
    note = f"{row.transition} · {row.channel}"
    keys = incidents_of(row) or [row.group_key]
    who = who[:_WHO_LIMIT]
    return [TimelineRow(row.project, row.rule, key, now_ns, action, who, note) for key in keys]
