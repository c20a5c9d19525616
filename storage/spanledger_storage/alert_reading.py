"""What pages show of alerts beside what the engine reads: what ended, and how deliveries went.

Reads only; times in UTC nanoseconds. Methods raise StateError when the database does not answer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from spanledger_storage import alert_tables as tables
from spanledger_storage.alert_outbox import OutboxRow
from spanledger_storage.alert_rows import InstanceRow, TimelineRow
from spanledger_storage.alert_tables import reading

_STATE_CHANGES = ("fired", "rose", "fell", "resolved", "acknowledged", "escalated")
_AT_ONCE = 500  # values of one IN, far below what any database takes


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt to send a notification.

    Attributes:
        outcome: ``sent``, ``failed``, ``dead``, ``expired`` or ``merged``.
    """

    outbox_id: int
    channel: str
    at_ns: int
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class FiredRow:
    """How often a rule fired in a time, and when last."""

    rule: str
    times: int
    last_ns: int


class AlertReading:
    """Reads what pages show.

    Args:
        engine: the state database; reading is enough.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def instances(self, project: str, ids: Collection[str]) -> dict[str, InstanceRow]:
        """Return instances of a project by id, those that are known."""
        table, wanted = tables.instances, sorted(set(ids))
        found: dict[str, InstanceRow] = {}
        with reading(self._engine) as connection:
            for start in range(0, len(wanted), _AT_ONCE):
                part = wanted[start : start + _AT_ONCE]
                mine = (table.c.project == project) & table.c.instance_id.in_(part)
                rows = connection.execute(sa.select(table).where(mine))
                found |= {str(row.instance_id): InstanceRow(*row) for row in rows}
        return found

    def ended(
        self, project: str, from_ns: int, to_ns: int, limit: int
    ) -> dict[str, list[TimelineRow]]:
        """Return incidents that ended in a time with all their changes of state, by incident.

        The latest end comes first, at most ``limit`` incidents; each one's changes are in order.
        """
        table = tables.timeline
        over = sa.and_(table.c.project == project, table.c.action == "resolved")
        over &= sa.and_(table.c.at_ns >= from_ns, table.c.at_ns < to_ns)
        newest = sa.select(table.c.incident).where(over).order_by(table.c.id.desc()).limit(limit)
        found: dict[str, list[TimelineRow]] = {}
        with reading(self._engine) as connection:
            names = [str(row.incident) for row in connection.execute(newest)]
            found = {name: [] for name in names}
            for start in range(0, len(names), _AT_ONCE):
                some = table.c.incident.in_(names[start : start + _AT_ONCE])
                is_change = table.c.action.in_(_STATE_CHANGES)
                mine = sa.and_(table.c.project == project, some, is_change)
                rows = connection.execute(sa.select(table).where(mine).order_by(table.c.id))
                for row in rows:
                    found[str(row.incident)].append(TimelineRow(*row[1:]))
        return found

    def fired(self, project: str, from_ns: int, to_ns: int) -> dict[str, FiredRow]:
        """Return how often each rule fired in a time, by rule; one that did not is left out."""
        table = tables.timeline
        mine = sa.and_(table.c.project == project, table.c.action == "fired")
        mine &= sa.and_(table.c.at_ns >= from_ns, table.c.at_ns < to_ns)
        columns = (table.c.rule, sa.func.count(), sa.func.max(table.c.at_ns))
        statement = sa.select(*columns).where(mine).group_by(table.c.rule)
        with reading(self._engine) as connection:
            rows = connection.execute(statement)
            return {str(rule): FiredRow(str(rule), int(n), int(at)) for rule, n, at in rows}

    def deliveries(
        self, project: str, rule: str, from_ns: int, to_ns: int, limit: int
    ) -> list[OutboxRow]:
        """Return the notifications of a rule that were made in a time, the latest first."""
        table = tables.outbox
        mine = sa.and_(table.c.project == project, table.c.rule == rule)
        mine &= sa.and_(table.c.created_at_ns >= from_ns, table.c.created_at_ns < to_ns)
        return self._outbox(mine, limit)

    def attempts(self, ids: Collection[int]) -> list[AttemptRow]:
        """Return the attempts of notifications, in order."""
        table, wanted = tables.attempts, sorted(set(ids))
        found: list[AttemptRow] = []
        with reading(self._engine) as connection:
            for start in range(0, len(wanted), _AT_ONCE):
                mine = table.c.outbox_id.in_(wanted[start : start + _AT_ONCE])
                found += _attempts(connection, sa.select(table).where(mine).order_by(table.c.id))
        return found

    def failures(self, from_ns: int, to_ns: int, limit: int) -> list[AttemptRow]:
        """Return the attempts that failed in a time, the latest first."""
        table = tables.attempts
        bad = table.c.outcome.in_(("failed", "dead"))
        mine = sa.and_(bad, table.c.at_ns >= from_ns, table.c.at_ns < to_ns)
        statement = sa.select(table).where(mine).order_by(table.c.id.desc()).limit(limit)
        with reading(self._engine) as connection:
            return _attempts(connection, statement)

    def _outbox(self, mine: sa.ColumnElement[bool], limit: int) -> list[OutboxRow]:
        table = tables.outbox
        statement = sa.select(table).where(mine).order_by(table.c.id.desc()).limit(limit)
        with reading(self._engine) as connection:
            return [OutboxRow(*row) for row in connection.execute(statement)]


def _attempts(
    connection: sa.Connection, statement: sa.Select[tuple[object, ...]]
) -> list[AttemptRow]:
    rows: Sequence[sa.Row[tuple[object, ...]]] = connection.execute(statement).all()
    return [
        AttemptRow(row.outbox_id, row.channel, row.at_ns, row.outcome, row.reason) for row in rows
    ]
