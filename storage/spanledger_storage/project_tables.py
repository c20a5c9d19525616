"""The tables of projects and keys, and how they are changed: with a lock, a revision and a log."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import partial

import sqlalchemy as sa

from spanledger_storage import state_access
from spanledger_storage.state import metadata

explained = partial(state_access.explained, "The projects")

projects = sa.Table(
    "projects",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True, comment="as in every table's project"),
    sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("created_by", sa.String(128), nullable=False),
    sa.Column("settings", sa.Text, nullable=False, comment="JSON: what is not the default"),
    sa.Column("salt", sa.String(64), nullable=False, comment="hex; secret of keyed hashes"),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True, comment="public part of the key"),
    sa.Column("project", sa.String(64), sa.ForeignKey("projects.name"), nullable=False),
    sa.Column("label", sa.String(128), nullable=False),
    sa.Column("scopes", sa.String(64), nullable=False, comment="ingest read admin"),
    sa.Column("secret_sha256", sa.String(64), nullable=False, comment="hex"),
    sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("created_by", sa.String(128), nullable=False),
    sa.Column("expires_at_ns", sa.BigInteger, comment="first instant it no longer holds"),
    sa.Column("revoked_at_ns", sa.BigInteger, comment="since then it opens nothing"),
)

log = sa.Table(
    "project_log",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("revision", sa.BigInteger, nullable=False, comment="of the change it is part of"),
    sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("who", sa.String(128), nullable=False),
    sa.Column("action", sa.String(32), nullable=False, comment="create set revoke"),
    sa.Column("object", sa.String(96), nullable=False, comment="kind and name or id"),
    sa.Column("before", sa.Text, comment="JSON; NULL: it did not exist"),
    sa.Column("after", sa.Text, nullable=False, comment="JSON; never a secret"),
    sqlite_autoincrement=True,
)

revisions = sa.Table(
    "project_revision",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, comment="always 1"),
    sa.Column("revision", sa.BigInteger, nullable=False, comment="grows with every change"),
)


class Change:
    """One open change of projects or keys."""

    def __init__(self, connection: sa.Connection, who: str, now_ns: int, revision: int) -> None:
        self.connection = connection
        self._entry = {"revision": revision, "at_ns": now_ns, "who": who[:128]}
        self.is_empty = True

    def note(self, action: str, what: str, before: str | None, after: str) -> None:
        """Put on record what changed; ``before`` and ``after`` are JSON without any secret."""
        said = {"action": action, "object": what, "before": before, "after": after}
        self.connection.execute(sa.insert(log).values({**self._entry, **said}))
        self.is_empty = False


@contextmanager
def open_change(engine: sa.Engine, who: str, now_ns: int) -> Generator[Change]:
    """Open one change; it is stored as a whole when the block ends, or not at all."""
    with explained(), engine.connect() as connection:
        # First, because this update is also the lock.
        connection.execute(sa.update(revisions).values(revision=revisions.c.revision + 1))
        revision = int(connection.scalar(sa.select(revisions.c.revision)) or 0)
        change = Change(connection, who, now_ns, revision)
        yield change
        if change.is_empty:
            connection.rollback()
        else:
            connection.commit()
