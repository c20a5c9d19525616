"""What retention and deletion did, in the state database.

Floors say from which day on a project's data is whole; they only ever rise, and are set before
anything is removed. Deletions on request are a log that nothing changes afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import cast

import sqlalchemy as sa

from spanledger_storage.state import metadata, upsert
from spanledger_storage.state_access import explained

_explained = partial(explained, "The records of retention")

floors = sa.Table(
    "retention_floors",
    metadata,
    sa.Column("project", sa.String(64), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True, comment="content spans metrics ledger"),
    sa.Column("day", sa.Integer, nullable=False, comment="YYYYMMDD; earlier days were removed"),
)

cleared = sa.Table(
    "retention_cleared",
    metadata,
    sa.Column("table_name", sa.String(32), primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True, comment="YYYYMMDD"),
    sa.Column("project", sa.String(64), primary_key=True),
    sa.Column("block", sa.BigInteger, nullable=False, comment="newest insert that was cleared"),
)

deletions = sa.Table(
    "deletions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("who", sa.String(128), nullable=False),
    sa.Column("project", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False, comment="trace session user"),
    sa.Column("subject", sa.String(64), nullable=False, comment="hex; keyed hash of the id"),
    sa.Column("action", sa.String(16), nullable=False, comment="begin finish"),
    sa.Column("said", sa.Text, nullable=False, comment="JSON: rows by table, dollars"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class Deletion:
    """One entry of the log of deletions; ``said`` is a JSON object."""

    at_ns: int
    who: str
    project: str
    kind: str
    subject: str
    action: str
    said: str
    id: int = 0


Cleared = tuple[str, int, str]
"""Table, partition (YYYYMMDD) and project."""


class RetentionState:
    """Reads and writes these tables.

    Methods raise StateError when the database does not answer or lacks the tables.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def floors(self, kind: str) -> dict[str, int]:
        """Return the first day (YYYYMMDD) that is whole, of every project that has one."""
        statement = sa.select(floors.c.project, floors.c.day).where(floors.c.kind == kind)
        with _explained(), self._engine.connect() as connection:
            return {str(project): int(day) for project, day in connection.execute(statement)}

    def raise_floors(self, kind: str, days: Mapping[str, int]) -> None:
        """Set floors (YYYYMMDD by project) where they are higher than before."""
        known = self.floors(kind)
        higher = {p: day for p, day in days.items() if day > known.get(p, 0)}
        if not higher:
            return
        with _explained(), self._engine.begin() as connection:
            for project, day in higher.items():
                upsert(connection, floors, {"project": project, "kind": kind}, {"day": day})

    def cleared(self) -> dict[Cleared, int]:
        """Return up to which insert (block number) content was cleared."""
        with _explained(), self._engine.connect() as connection:
            rows = connection.execute(sa.select(cleared)).mappings().all()
        return {
            (str(r["table_name"]), int(r["partition"]), str(r["project"])): int(r["block"])
            for r in rows
        }

    def mark_cleared(self, blocks: Mapping[Cleared, int]) -> None:
        """Remember up to which insert content was cleared."""
        with _explained(), self._engine.begin() as connection:
            for (table, partition, project), block in blocks.items():
                key = {"table_name": table, "partition": partition, "project": project}
                upsert(connection, cleared, key, {"block": block})

    def forget_cleared(self, gone: Iterable[tuple[str, int]]) -> None:
        """Forget partitions (table, YYYYMMDD) that no longer exist."""
        with _explained(), self._engine.begin() as connection:
            for table, partition in gone:
                here = (cleared.c.table_name == table) & (cleared.c.partition == partition)
                connection.execute(sa.delete(cleared).where(here))

    def note_deletion(self, entry: Deletion) -> None:
        """Append to the log of deletions."""
        values = {
            "at_ns": entry.at_ns,
            "who": entry.who[:128],
            "project": entry.project,
            "kind": entry.kind,
            "subject": entry.subject,
            "action": entry.action,
            "said": entry.said,
        }
        with _explained(), self._engine.begin() as connection:
            connection.execute(sa.insert(deletions).values(values))

    def deletions(self, limit: int = 100) -> list[Deletion]:
        """Return the newest entries of the log of deletions, newest first."""
        statement = sa.select(deletions).order_by(deletions.c.id.desc()).limit(limit)
        with _explained(), self._engine.connect() as connection:
            return [Deletion(**row) for row in connection.execute(statement).mappings()]

    def unfinished(self, project: str, kind: str, subject: str) -> dict[str, object] | None:
        """Return what the begun and never finished deletion of a subject said, None without one."""
        statement = (
            sa.select(deletions.c.action, deletions.c.said)
            .where(deletions.c.project == project)
            .where(deletions.c.kind == kind)
            .where(deletions.c.subject == subject)
            .order_by(deletions.c.id.desc())
            .limit(1)
        )
        with _explained(), self._engine.connect() as connection:
            row = connection.execute(statement).first()
        if row is None or row.action != "begin":
            return None
        return cast("dict[str, object]", json.loads(row.said))
