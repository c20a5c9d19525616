"""How alerts themselves fare: figures over all projects, for whoever watches the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from spanledger_storage import alert_tables as tables
from spanledger_storage.alert_rows import RuleStateRow
from spanledger_storage.alert_tables import put, reading, writing

_OPEN = ("waiting", "sending")
_DELIVERY, _HEARTBEAT = "delivery", "heartbeat"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for a channel: how much, and since when (UTC nanoseconds) the oldest."""

    notifications: int
    oldest_ns: int


@dataclass(frozen=True, slots=True)
class Leader:
    """Who evaluates, and until when (UTC nanoseconds) nobody else does."""

    holder: str
    expires_at_ns: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything at one moment.

    Attributes:
        rules: how each rule fares in each project.
        instances: of project, rule and state; inactive ones are left out.
        waiting: by channel; one for which nothing waits is left out.
        deliveries: ever, by channel and result: sent, failed, dead, expired or merged.
        letters: open dead letters by channel; one without any is left out.
        leader: by name of the lease.
        heartbeats: when the dead man's switch was last told, UTC nanoseconds, by ``heard``
            and ``failed``.
    """

    rules: list[RuleStateRow]
    instances: Mapping[tuple[str, str, str], int]
    waiting: Mapping[str, Waiting]
    deliveries: Mapping[tuple[str, str], int]
    letters: Mapping[str, int]
    leaders: Mapping[str, Leader]
    heartbeats: Mapping[str, int]


class AlertFigures:
    """Reads the figures, and notes heartbeats.

    Methods raise StateError when the database does not answer or lacks the tables.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def read(self) -> Figures:
        """Return all figures as they are now."""
        with reading(self._engine) as connection:
            rules = connection.execute(sa.select(tables.rule_states)).mappings()
            counted = connection.execute(sa.select(tables.figures)).all()
            return Figures(
                rules=[RuleStateRow(**row) for row in rules],
                instances=_instances(connection),
                waiting=_waiting(connection),
                deliveries={(o.of, o.outcome): o.value for o in counted if o.name == _DELIVERY},
                letters=_open_letters(connection),
                leaders={
                    str(row.name): Leader(str(row.holder), int(row.expires_at_ns))
                    for row in connection.execute(sa.select(tables.leases))
                },
                heartbeats={o.outcome: o.value for o in counted if o.name == _HEARTBEAT},
            )

    def note_heartbeat(self, *, is_heard: bool, now_ns: int) -> None:
        """Note that the dead man's switch was told, or did not answer."""
        outcome = "heard" if is_heard else "failed"
        row = {"name": _HEARTBEAT, "of": "", "outcome": outcome, "value": now_ns}
        with writing(self._engine) as connection:
            put(connection, tables.figures, [row])


def count_deliveries(connection: sa.Connection, channel: str, outcome: str, count: int) -> None:
    """Count notifications that left a channel's queue, or failed, in the caller's transaction."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    row = {"name": _DELIVERY, "of": channel, "outcome": outcome, "value": count}
    statement = dialect.insert(tables.figures).values(row)
    more = {"value": tables.figures.c.value + count}
    keys = [column.name for column in tables.figures.primary_key]
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=more))


def _instances(connection: sa.Connection) -> dict[tuple[str, str, str], int]:
    table = tables.instances
    key = (table.c.project, table.c.rule, table.c.state)
    statement = sa.select(*key, sa.func.count().label("n"))
    statement = statement.where(table.c.state != "inactive").group_by(*key)
    return {(r.project, r.rule, r.state): int(r.n) for r in connection.execute(statement)}


def _open_letters(connection: sa.Connection) -> dict[str, int]:
    table = tables.outbox
    statement = sa.select(table.c.channel, sa.func.count().label("n"))
    statement = statement.where(table.c.status.in_(tables.LETTERS), ~tables.is_told())
    rows = connection.execute(statement.group_by(table.c.channel))
    return {str(row.channel): int(row.n) for row in rows}


def _waiting(connection: sa.Connection) -> dict[str, Waiting]:
    table = tables.outbox
    statement = (
        sa.select(
            table.c.channel,
            sa.func.count().label("n"),
            sa.func.min(tables.WAITS_SINCE).label("oldest_ns"),
        )
        .where(table.c.status.in_(_OPEN))
        .group_by(table.c.channel)
    )
    rows = connection.execute(statement)
    return {str(row.channel): Waiting(int(row.n), int(row.oldest_ns)) for row in rows}
