"""What people do about a reconciliation, in the state database: actions, and posted months.

Somebody asks for an action; whoever has the store to write to runs it and says what came of it. So
one table is both the queue and the record of who changed what: rows are never deleted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import sqlalchemy as sa

from spanledger_storage.errors import ConfigError
from spanledger_storage.state import metadata, upsert
from spanledger_storage.state_access import explained

_explained = partial(explained, "The actions on reconciliations")

ActionKind = Literal["apply", "reverse", "post", "unpost", "delete"]
ActionStatus = Literal["asked", "running", "done", "failed"]
_WHO_LIMIT = 128
_STUCK_NS = 3_600 * 10**9  # longer than an action runs: whoever took it has died

actions = sa.Table(
    "reconciliation_actions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("project", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False, comment="apply reverse post unpost"),
    sa.Column("first_day", sa.String(10), nullable=False, comment="of the reconciliation"),
    sa.Column("last_day", sa.String(10), nullable=False),
    sa.Column("provider", sa.String(128), nullable=False, comment="empty: all"),
    sa.Column("what", sa.Text, nullable=False, comment="JSON: the correction"),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("reverses", sa.Integer, comment="id of the action that is taken back"),
    sa.Column("who", sa.String(128), nullable=False),
    sa.Column("asked_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("status", sa.String(8), nullable=False, comment="asked running done failed"),
    sa.Column("changed_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("made", sa.Text, nullable=False, comment="JSON: what it made, to take it back"),
    sa.Column("said", sa.Text, nullable=False, comment="what came of it"),
    sa.Index("reconciliation_actions_of_project", "project", "id"),
    sqlite_autoincrement=True,
)

postings = sa.Table(
    "reconciliation_postings",
    metadata,
    sa.Column("project", sa.String(64), primary_key=True),
    sa.Column("month", sa.String(7), primary_key=True, comment="2026-11"),
    sa.Column("provider", sa.String(128), primary_key=True, comment="empty: all"),
    sa.Column("who", sa.String(128), nullable=False),
    sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("cells_version", sa.BigInteger, nullable=False, comment="digest of those posted"),
)


@dataclass(frozen=True, slots=True)
class ActionRow:
    """A row of ``reconciliation_actions``; ``id`` is 0 before it is stored.

    Attributes:
        kind: ``apply`` a correction, ``reverse`` it, ``post`` adjustments, ``unpost`` them,
            ``delete`` an import.
        first_day, last_day: the days of the reconciliation it comes from, ISO dates.
        provider: whose; empty: all.
        what: the correction, or the import, as JSON; empty for adjustments.
        title: what it does, one line.
        reverses: id of the action that is taken back.
        made: what it made, as JSON, so that it can be taken back; there from the moment it is made,
            so that whoever goes on with an interrupted action does not make it twice.
        said: what came of it, or why it failed.
    """

    project: str
    kind: ActionKind
    first_day: str
    last_day: str
    provider: str
    title: str
    who: str
    asked_at_ns: int
    what: str = ""
    reverses: int | None = None
    status: ActionStatus = "asked"
    changed_at_ns: int = 0
    made: str = ""
    said: str = ""
    id: int = 0


@dataclass(frozen=True, slots=True)
class PostingRow:
    """A month whose adjustments are in the ledger, and follow its cells.

    ``provider`` is empty for all of them; ``cells_version`` is a digest of the cells posted.
    """

    project: str
    month: str
    provider: str
    who: str
    at_ns: int
    cells_version: int = 0


class ReconciliationState:
    """Reads and writes actions and postings.

    Methods raise StateError when the database does not answer, is read-only or lacks the tables.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def ask(self, row: ActionRow) -> ActionRow:
        """Store an action that somebody asks for; return it with its id."""
        stored = replace(
            row, who=row.who[:_WHO_LIMIT], status="asked", changed_at_ns=row.asked_at_ns
        )
        values = _values(stored)
        del values["id"]
        with _explained(), self._engine.begin() as connection:
            key = connection.execute(sa.insert(actions).values(values)).inserted_primary_key
        return replace(stored, id=key[0] if key else 0)

    def take(self, action_id: int, now_ns: int) -> ActionRow | None:
        """Return an action that waits, as one that now runs; None when somebody else has it.

        One that has run for an hour belongs to a process that died, and is taken anew.
        """
        waits = sa.or_(
            actions.c.status == "asked",
            sa.and_(actions.c.status == "running", actions.c.changed_at_ns < now_ns - _STUCK_NS),
        )
        statement = (
            sa.update(actions)
            .where(actions.c.id == action_id, waits)
            .values(status="running", changed_at_ns=now_ns)
        )
        with _explained(), self._engine.begin() as connection:
            if not connection.execute(statement).rowcount:
                return None
            return _one(connection, action_id)

    def waiting(self, now_ns: int) -> list[int]:
        """Return the ids of actions to run, in the order they were asked for."""
        stuck = sa.and_(actions.c.status == "running", actions.c.changed_at_ns < now_ns - _STUCK_NS)
        statement = (
            sa.select(actions.c.id)
            .where(sa.or_(actions.c.status == "asked", stuck))
            .order_by(actions.c.id)
        )
        with _explained(), self._engine.connect() as connection:
            return [int(found) for found in connection.scalars(statement)]

    def end(self, action_id: int, status: ActionStatus, now_ns: int, said: str) -> None:
        """Put on record what came of an action; what it made stays."""
        statement = (
            sa.update(actions)
            .where(actions.c.id == action_id)
            .values(status=status, changed_at_ns=now_ns, said=said)
        )
        with _explained(), self._engine.begin() as connection:
            connection.execute(statement)

    def keep_made(self, action_id: int, made: str) -> None:
        """Put on record what a running action has made so far."""
        statement = sa.update(actions).where(actions.c.id == action_id).values(made=made)
        with _explained(), self._engine.begin() as connection:
            connection.execute(statement)

    def release(self, action_id: int, now_ns: int, said: str) -> None:
        """Let an action that could not go on wait again, with the reason."""
        statement = (
            sa.update(actions)
            .where(actions.c.id == action_id, actions.c.status == "running")
            .values(status="asked", changed_at_ns=now_ns, said=said)
        )
        with _explained(), self._engine.begin() as connection:
            connection.execute(statement)

    def get(self, project: str, action_id: int) -> ActionRow:
        """Return an action of a project.

        Raises:
            ConfigError: it has none of this id.
        """
        with _explained(), self._engine.connect() as connection:
            found = _one(connection, action_id)
        if found is None or found.project != project:
            raise ConfigError(
                f"Project {project} has no action {action_id}; `spanledger reconcile log` lists "
                "them."
            )
        return found

    def log(self, project: str, limit: int = 200) -> list[ActionRow]:
        """Return the actions of a project, the latest first."""
        statement = (
            sa.select(actions)
            .where(actions.c.project == project)
            .order_by(actions.c.id.desc())
            .limit(limit)
        )
        with _explained(), self._engine.connect() as connection:
            return [ActionRow(**dict(row)) for row in connection.execute(statement).mappings()]

    def postings(self, project: str | None = None) -> list[PostingRow]:
        """Return months that are posted, of one project or of all, by month and provider."""
        statement = sa.select(postings).order_by(
            postings.c.project, postings.c.month, postings.c.provider
        )
        if project is not None:
            statement = statement.where(postings.c.project == project)
        with _explained(), self._engine.connect() as connection:
            return [PostingRow(**dict(row)) for row in connection.execute(statement).mappings()]

    def put_posting(self, row: PostingRow) -> None:
        """Remember that a month is posted, and of which cells."""
        key = {"project": row.project, "month": row.month, "provider": row.provider}
        values = {"who": row.who, "at_ns": row.at_ns, "cells_version": row.cells_version}
        with _explained(), self._engine.begin() as connection:
            upsert(connection, postings, key, values)

    def drop_posting(self, project: str, month: str, provider: str) -> bool:
        """Forget that a month is posted; return False where it was not."""
        statement = sa.delete(postings).where(
            postings.c.project == project,
            postings.c.month == month,
            postings.c.provider == provider,
        )
        with _explained(), self._engine.begin() as connection:
            return bool(connection.execute(statement).rowcount)


def _one(connection: sa.Connection, action_id: int) -> ActionRow | None:
    statement = sa.select(actions).where(actions.c.id == action_id)
    found = connection.execute(statement).mappings().first()
    return None if found is None else ActionRow(**dict(found))


def _values(row: ActionRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ActionRow.__dataclass_fields__}
