"""Removes what alerts remember of somebody: incidents that a label names, and what was told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple, TypeAlias, cast

import sqlalchemy as sa

from spanledger_storage import alert_tables as tables
from spanledger_storage.alert_tables import reading, writing

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
            _remove_incidents(connection, project, found.instances)
            _remove_groups(connection, project, found.groups)
            _remove_messages(connection, found.messages)
        self._compact()  # also for an earlier run that could not
        return found.open

    def _compact(self) -> None:
        """Let nothing linger in unused pages of a file; other databases see to that themselves."""
        if self._engine.dialect.name != "sqlite":
            return
        with reading(self._engine) as connection:
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
    kept = [row for row in messages if row.ended_at_ns is None or _group(row) in open_]
    # By these a kept message is found later, and the engine knows whose end it has yet to tell.
    texts = [row.payload for row in kept] + [row.told for row in rows if _group(row) in open_]
    told = _told_of(project, " ".join(texts))
    ended = [id_ for id_, over in is_over.items() if over and id_ not in told]
    gone = (named & closed) - {_group(row) for row in kept}
    left = len(is_over) - len(ended) + len(named - gone) + len(kept)
    return Named(ended, sorted(gone), [int(row.id) for row in done], left)


def _messages(
    connection: sa.Connection, project: str, groups: Set[_Group], instances: Collection[str]
) -> list[sa.Row[Any]]:
    """Return the messages of some groups, and those that told of some instances."""
    table = tables.outbox
    told = connection.execute(sa.select(table).where(table.c.project == project))
    ids = frozenset(instances)
    return [r for r in told if _group(r) in groups or _told_of(project, r.payload) & ids]


def _told_of(project: str, text: str) -> set[str]:
    """Return ids of the incidents that a text tells of: in messages their names stand in quotes."""
    return set(re.findall(f'"{re.escape(project)}/([^/"]+)/', text))


def _group(row: sa.Row[Any]) -> _Group:
    return str(row.group_id), str(row.channel)


def _remove_incidents(connection: sa.Connection, project: str, instances: Iterable[str]) -> None:
    """Remove incidents and what happened to them: in one pass, while all of alerts waits."""
    gone = frozenset(instances)
    for table in (tables.timeline, tables.acks):
        here = table.c.project == project
        known = connection.scalars(sa.select(table.c.incident).where(here).distinct())
        names = [{"named": n} for n in known if n.removeprefix(f"{project}/").split("/")[0] in gone]
        _delete(connection, table, here & (table.c.incident == sa.bindparam("named")), names)
    table = tables.instances
    here = (table.c.project == project) & (table.c.instance_id == sa.bindparam("instance"))
    _delete(connection, table, here, [{"instance": id_} for id_ in gone])


def _remove_groups(connection: sa.Connection, project: str, groups: Iterable[_Group]) -> None:
    table = tables.groups
    here = (table.c.project == project) & (table.c.group_id == sa.bindparam("group"))
    here &= table.c.channel == sa.bindparam("told_to")
    _delete(connection, table, here, [{"group": id_, "told_to": name} for id_, name in groups])


def _remove_messages(connection: sa.Connection, messages: Iterable[int]) -> None:
    ids = [{"message": id_} for id_ in messages]
    for column in (tables.attempts.c.outbox_id, tables.outbox.c.id):
        _delete(connection, column.table, column == sa.bindparam("message"), ids)


def _delete(
    connection: sa.Connection,
    table: sa.Table,
    which: sa.ColumnElement[bool],
    values: Sequence[Mapping[str, object]],
) -> None:
    if values:  # else a statement runs once, without any
        connection.execute(sa.delete(table).where(which), values)
