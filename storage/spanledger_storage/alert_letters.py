"""Dead letters: notifications that a channel refused, or did not take in a day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from spanledger_storage.alert_outbox import OutboxRow
from spanledger_storage.alert_rows import TimelineRow
from spanledger_storage.alert_state import add_timeline
from spanledger_storage.alert_tables import LETTERS, is_told, outbox, reading, writing

# Of a run what was not taken says, from the letter on, how things are now.
_UNTAKEN = (*LETTERS, "merged", "dropped")

Outcome = Literal["waiting", "dropped", "told", "closed"]
Said = Callable[[OutboxRow], Sequence[TimelineRow]]


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter; ``is_told``: the channel took a later message, which told what it tells."""

    row: OutboxRow
    is_told: bool


class AlertLetters:
    """Reads dead letters, and does what people say of them.

    Methods raise StateError when the database does not answer, is read-only or lacks the tables.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def all(
        self, *, channel: str = "", project: str = "", with_told: bool = False, limit: int = 500
    ) -> list[Letter]:
        """Return dead letters, the latest first: those that tell something new, or all."""
        statement = _letters().order_by(outbox.c.id.desc()).limit(limit)
        if channel:
            statement = statement.where(outbox.c.channel == channel)
        if project:
            statement = statement.where(outbox.c.project == project)
        if not with_told:
            statement = statement.where(~is_told())
        with reading(self._engine) as connection:
            return [_letter(row) for row in connection.execute(statement)]

    def ended(self, from_ns: int, to_ns: int, limit: int) -> list[Letter]:
        """Return the dead letters that were refused or given up in a time, the latest first."""
        statement = _letters().where(outbox.c.ended_at_ns >= from_ns, outbox.c.ended_at_ns < to_ns)
        with reading(self._engine) as connection:
            rows = connection.execute(statement.order_by(outbox.c.id.desc()).limit(limit))
            return [_letter(row) for row in rows]

    def find(self, letter_id: int) -> Letter | None:
        """Return a dead letter; None: there is none of this id, or it is none any more."""
        with reading(self._engine) as connection:
            row = connection.execute(_letters().where(outbox.c.id == letter_id)).first()
            return None if row is None else _letter(row)

    def retry(self, letter_id: int, now_ns: int, said: Said) -> Outcome:
        """Put a letter back in its place, with what was made after it and was not taken.

        The sender then tells the channel how things are now: in one message, or in none where that
        leaves nothing to tell.

        Args:
            letter_id: which.
            now_ns: UTC nanoseconds.
            said: returns lines of the timeline for the letter.

        Returns:
            ``waiting``; ``told``: a later message told it, nothing changed; ``closed``: it is no
            dead letter, or none any more.
        """
        with writing(self._engine) as connection:
            letter = _locked(connection, letter_id)
            if letter is None or letter.is_told:
                return "closed" if letter is None else "told"
            row = letter.row
            of_run = (outbox.c.channel == row.channel) & (outbox.c.group_key == row.group_key)
            mine = of_run & (outbox.c.id >= row.id) & outbox.c.status.in_(_UNTAKEN)
            back = {"not_before_ns": 0, "claimed_until_ns": 0, "retried_at_ns": now_ns}
            connection.execute(
                sa.update(outbox).where(mine).values(status="waiting", ended_at_ns=None, **back)
            )
            add_timeline(connection, said(row))
            return "waiting"

    def drop(self, letter_id: int, said: Said) -> Outcome:
        """Give a letter up; it stays in the history.

        Returns:
            ``dropped``; ``closed``: it is no dead letter, or none any more.
        """
        with writing(self._engine) as connection:
            letter = _locked(connection, letter_id)
            if letter is None:
                return "closed"
            mine = outbox.c.id == letter.row.id
            connection.execute(sa.update(outbox).where(mine).values(status="dropped"))
            add_timeline(connection, said(letter.row))
            return "dropped"


def _letters() -> sa.Select[Any]:
    """Return the dead letters, each with whether a later message told what it tells."""
    columns = sa.select(outbox, is_told().label("is_told"))
    return columns.where(outbox.c.status.in_(LETTERS))


def _locked(connection: sa.Connection, letter_id: int) -> Letter | None:
    """Return a letter that nobody else changes until the transaction ends."""
    statement = _letters().where(outbox.c.id == letter_id).with_for_update(of=outbox)
    row = connection.execute(statement).first()
    return None if row is None else _letter(row)


def _letter(row: sa.Row[Any]) -> Letter:
    *values, is_told = tuple(row)
    return Letter(OutboxRow(*values), bool(is_told))
