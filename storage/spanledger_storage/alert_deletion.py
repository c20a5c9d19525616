"""Removes what alerts remember of somebody: incidents that a label names, and what was told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Set
from typing import Any, NamedTuple, TypeAlias, cast

import sqlalchemy as sa

from spanledger_storage import alert_tables as tables
from spanledger_storage.alert_tables import explained, reading, writing

IsNamed = Callable[[str, str], bool]
"""Whether a label, by its name and value, names whom it is about."""
_Group: TypeAlias = tuple[str, str]  # id and channel


class Named(NamedTuple):
    """What names somebody: ids of incidents (instances), groups (with channel) and messages.

    ``open`` is what is not over: incidents that fire, groups with more to say, and their messages.
    """

    instances: list[str]
    groups: list[_Group]
    messages: list[int]
    open: int

    @property
    def total(self) -> int:
        """How many there are, those that are not over among them."""
        return len(self.instances) + len(self.groups) + len(self.messages) + self.open


class AlertDeletion:
    """Finds and removes.

    Methods raise StateError when the database does not answer, is read-only or lacks the tables.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def find(self, project: str, is_named: IsNamed) -> Named:
        """Return what names somebody; reads only."""
        with reading(self._engine) as connection:
            return _named(connection, project, is_named)

    def remove(self, project: str, is_named: IsNamed) -> int:
        """Remove what is over; return how much is left, because it is not.

        What fires stays: else nobody would be told of its end.
        """
        with writing(self._engine) as connection:
            # Every step of the engine locks its lease: what is over here stays so until the end.
            connection.execute(sa.select(tables.leases).with_for_update()).all()
            found = _named(connection, project, is_named)
            for id_ in found.instances:
                _remove_incidents(connection, project, id_)
            for group_id, channel in found.groups:
                table = tables.groups
                here = (table.c.group_id == group_id) & (table.c.channel == channel)
                connection.execute(sa.delete(table).where(table.c.project == project, here))
            for message in found.messages:
                attempts, outbox = tables.attempts, tables.outbox
                connection.execute(sa.delete(attempts).where(attempts.c.outbox_id == message))
                connection.execute(sa.delete(outbox).where(outbox.c.id == message))
        if found.total > found.open:
            self._compact()
        return found.open

    def _compact(self) -> None:
        """Let nothing linger in unused pages of a file; other databases see to that themselves."""
        if self._engine.dialect.name != "sqlite":
            return
        with explained(), self._engine.connect() as connection:
            connection.exec_driver_sql("VACUUM")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def _named(connection: sa.Connection, project: str, is_named: IsNamed) -> Named:
    def names(labels: str | None) -> bool:
        pairs = cast("dict[str, str]", json.loads(labels or "{}"))
        return any(is_named(name, value) for name, value in pairs.items())

    instances, groups = tables.instances, tables.groups
    found = connection.execute(sa.select(instances).where(instances.c.project == project))
    is_over = {str(row.instance_id): row.state == "inactive" for row in found if names(row.labels)}
    rows = connection.execute(sa.select(groups).where(groups.c.project == project)).all()
    named = {_group(row) for row in rows if names(row.labels)}
    closed = {_group(row) for row in rows if row.opened_at_ns is None and row.due_at_ns is None}
    open_ = {_group(row) for row in rows} - closed
    messages = _messages(connection, project, named, is_over)
    # Of an open group the next message needs what the channel said of the last one.
    done = [row for row in messages if row.ended_at_ns is not None and _group(row) not in open_]
    kept = [row for row in messages if row not in done]
    # By these a kept message is found later, and the engine knows whose end it has yet to tell.
    texts = [row.payload for row in kept] + [row.told for row in rows if _group(row) in open_]
    told = {id_ for id_ in is_over if any(_key(project, id_) in text for text in texts)}
    ended = [id_ for id_, over in is_over.items() if over and id_ not in told]
    gone = (named & closed) - {_group(row) for row in kept}
    left = len(is_over) - len(ended) + len(named - gone) + len(kept)
    return Named(ended, sorted(gone), [int(row.id) for row in done], left)


def _messages(
    connection: sa.Connection, project: str, groups: Set[_Group], instances: Iterable[str]
) -> list[sa.Row[Any]]:
    """Return the messages of some groups, and those that told of some instances."""
    table = tables.outbox
    told = connection.execute(sa.select(table).where(table.c.project == project))
    keys = [_key(project, id_) for id_ in instances]
    return [row for row in told if _group(row) in groups or any(k in row.payload for k in keys)]


def _key(project: str, instance_id: str) -> str:
    """Return how the name of an incident begins, where a message has it."""
    return f'"{project}/{instance_id}/'


def _group(row: sa.Row[Any]) -> _Group:
    return str(row.group_id), str(row.channel)


def _remove_incidents(connection: sa.Connection, project: str, instance_id: str) -> None:
    for table in (tables.timeline, tables.acks):
        incident = table.c.incident.startswith(f"{project}/{instance_id}/", autoescape=True)
        connection.execute(sa.delete(table).where(table.c.project == project, incident))
    table = tables.instances
    here = (table.c.project == project) & (table.c.instance_id == instance_id)
    connection.execute(sa.delete(table).where(here))
