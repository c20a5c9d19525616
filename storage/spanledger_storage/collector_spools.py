"""What waits in the spools of collectors, each told by its own collector every few seconds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa

from spanledger_storage.state import metadata, upsert
from spanledger_storage.state_access import explained

_explained = partial(explained, "The notes of collectors")

_NS_PER_S = 10**9
_FRESH_NS = 30 * _NS_PER_S
_KEPT_NS = 86_400 * _NS_PER_S

spools = sa.Table(
    "collector_spools",
    metadata,
    sa.Column("spool", sa.String(32), primary_key=True, comment="id that its file holds"),
    sa.Column("requests", sa.BigInteger, nullable=False, comment="accepted, not stored yet"),
    sa.Column("oldest_ns", sa.BigInteger, comment="when the oldest came; NULL: none waits"),
    sa.Column("noted_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What was accepted and is not stored yet, and the age of the oldest request."""

    requests: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Told:
    """What the collector of a spool told last; times in UTC nanoseconds by its own clock."""

    spool: str
    requests: int
    oldest_ns: int | None
    noted_at_ns: int


class CollectorSpools:
    """What waits in all spools, kept in the state database.

    Methods raise StateError when the database does not answer, or lacks the table.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def note(self, spool: str, requests: int, oldest_ns: int | None, now_ns: int) -> None:
        """Record what waits in a spool, and forget spools that nobody told of for a day.

        Args:
            spool: its id, the same through restarts.
            requests: that wait.
            oldest_ns: when the oldest came, UTC nanoseconds; None: none waits.
            now_ns: UTC nanoseconds.
        """
        told = {"requests": requests, "oldest_ns": oldest_ns, "noted_at_ns": now_ns}
        with _explained(), self._engine.begin() as connection:
            upsert(connection, spools, {"spool": spool}, told)
            connection.execute(sa.delete(spools).where(spools.c.noted_at_ns < now_ns - _KEPT_NS))

    def told(self) -> list[Told]:
        """Return what was told of each spool."""
        with _explained(), self._engine.connect() as connection:
            return [Told(*row) for row in connection.execute(sa.select(spools))]

    def waiting(self, now_ns: int) -> Waiting | None:
        """Return what waits in all of them; None: no collector told anything for a day.

        What waits in a collector that is silent grows older: nobody empties its spool.
        """
        with _explained(), self._engine.connect() as connection:
            rows = connection.execute(
                sa.select(spools).where(spools.c.noted_at_ns >= now_ns - _KEPT_NS)
            ).all()
        if not rows:
            return None
        ages = [
            (row.noted_at_ns if now_ns - row.noted_at_ns < _FRESH_NS else now_ns) - row.oldest_ns
            for row in rows
            if row.oldest_ns is not None
        ]
        return Waiting(sum(row.requests for row in rows), max(0, *ages, 0) / _NS_PER_S)
