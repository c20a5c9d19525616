"""What alerts remember, in the state database: rows as the engine reads and writes them.

Every change of the engine is one transaction under its lease: whoever lost it changes nothing.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from spanledger_storage import alert_tables as tables
from spanledger_storage.alert_rows import (
    EngineChange,
    GroupRow,
    InstanceRow,
    NewOutbox,
    RuleStateRow,
    SilenceRow,
    TimelineRow,
)
from spanledger_storage.alert_tables import put, reading, writing
from spanledger_storage.errors import StateError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_WHO_LIMIT = 128
_KEEP_RESOLVED_NS = 90 * 86_400 * 10**9


class LeaseLost(StateError):
    """Another engine took over; what was to be changed is not."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who may change what alerts remember; ``token`` grows with every new holder."""

    name: str
    holder: str
    token: int


class AlertState:
    """Reads and writes what alerts remember.

    Methods raise StateError when the database does not answer, is read-only or lacks the tables.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._seen: dict[str, tuple[object, int]] = {}

    def acquire(self, name: str, holder: str, now_ns: int, ttl_ns: int) -> Lease | None:
        """Take or renew a lease; return None while somebody else holds it.

        The token grows with every new holder: with the same one nobody has changed anything since.
        A lease that was not renewed for as long as it lasts is taken, too, whatever time it names:
        the clock of who held it may have been ahead.
        """
        with writing(self._engine) as connection:
            row = _locked_lease(connection, name)
            is_mine = row is not None and row.holder == holder
            is_anothers = row is not None and not is_mine and row.expires_at_ns > now_ns
            if is_anothers and not self._is_silent(row, ttl_ns):
                return None
            token = int(row.token if row else 0) + (0 if is_mine else 1)
            values = {"name": name, "holder": holder, "token": token}
            put(connection, tables.leases, [{**values, "expires_at_ns": now_ns + ttl_ns}])
            return Lease(name, holder, token)

    def _is_silent(self, row: Any, ttl_ns: int) -> bool:
        """Return whether a lease has been as it is for so long by our own clock."""
        now_ns, found = time.monotonic_ns(), tuple(row)
        before, since_ns = self._seen.get(row.name, (None, now_ns))
        since_ns = since_ns if before == found else now_ns
        self._seen[row.name] = (found, since_ns)
        return now_ns - since_ns > ttl_ns

    def release(self, lease: Lease) -> None:
        """Give a lease back, so that another takes over at once."""
        table = tables.leases
        with writing(self._engine) as connection:
            mine = (table.c.name == lease.name) & (table.c.holder == lease.holder)
            connection.execute(sa.update(tables.leases).where(mine).values(expires_at_ns=0))

    def held(self, name: str) -> tuple[str, int] | None:
        """Return who holds a lease and until when (UTC nanoseconds); None: nobody ever did."""
        with reading(self._engine) as connection:
            row = connection.execute(
                sa.select(tables.leases).where(tables.leases.c.name == name)
            ).first()
            return None if row is None else (str(row.holder), int(row.expires_at_ns))

    def commit(self, lease: Lease, now_ns: int, change: EngineChange) -> None:
        """Write a step.

        Raises:
            LeaseLost: somebody else has it, or it has expired; nothing is written.
        """
        with writing(self._engine) as connection:
            row = _locked_lease(connection, lease.name)
            held = None if row is None or row.expires_at_ns <= now_ns else (row.holder, row.token)
            if held != (lease.holder, lease.token):
                raise LeaseLost("Another engine evaluates the rules.")
            put(connection, tables.rule_states, [values_of(one) for one in change.rule_states])
            put(connection, tables.instances, [values_of(one) for one in change.instances])
            put(connection, tables.groups, [values_of(one) for one in change.groups])
            if change.outbox:
                rows = [new_outbox_values(one) for one in change.outbox]
                connection.execute(sa.insert(tables.outbox), rows)
            add_timeline(connection, change.timeline)

    def rule_states(self) -> dict[tuple[str, str], RuleStateRow]:
        """Return how rules fared, by project and rule."""
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(tables.rule_states)).mappings()
            return {(row["project"], row["rule"]): RuleStateRow(**row) for row in rows}

    def instances(
        self, project: str, rule: str = "", states: Collection[str] = ()
    ) -> list[InstanceRow]:
        """Return instances of a project: of one rule, in some states, or all."""
        table = tables.instances
        statement = sa.select(table).where(table.c.project == project)
        if rule:
            statement = statement.where(table.c.rule == rule)
        if states:
            statement = statement.where(table.c.state.in_(states))
        with reading(self._engine) as connection:
            return [InstanceRow(*row) for row in connection.execute(statement)]

    def groups(self, project: str, rule: str) -> list[GroupRow]:
        """Return the groups of a rule."""
        table = tables.groups
        statement = sa.select(table).where(table.c.project == project, table.c.rule == rule)
        with reading(self._engine) as connection:
            return [GroupRow(*row) for row in connection.execute(statement)]

    def firing_rules(self) -> set[tuple[str, str]]:
        """Return project and rule of what is not inactive."""
        table = tables.instances
        statement = sa.select(table.c.project, table.c.rule).where(table.c.state != "inactive")
        with reading(self._engine) as connection:
            found = connection.execute(statement.distinct())
            return {(str(row.project), str(row.rule)) for row in found}

    def due(self, now_ns: int) -> set[tuple[str, str]]:
        """Return project and rule of the groups in which something is to be done."""
        table = tables.groups
        statement = sa.select(table.c.project, table.c.rule).where(table.c.due_at_ns <= now_ns)
        with reading(self._engine) as connection:
            return {(row.project, row.rule) for row in connection.execute(statement)}

    # What people say.

    def acks(self, project: str) -> dict[str, str]:
        """Return who acknowledged, by incident."""
        table = tables.acks
        statement = sa.select(table.c.incident, table.c.who).where(table.c.project == project)
        with reading(self._engine) as connection:
            return {str(row.incident): str(row.who) for row in connection.execute(statement)}

    def acknowledge(
        self, project: str, rule: str, incident: str, who: str, now_ns: int, note: str = ""
    ) -> bool:
        """Note that somebody looks after an incident; False: somebody does already."""
        who = who[:_WHO_LIMIT]
        with writing(self._engine) as connection:
            key = (tables.acks.c.project == project) & (tables.acks.c.incident == incident)
            if connection.execute(sa.select(tables.acks).where(key)).first() is not None:
                return False
            row = {"project": project, "incident": incident, "who": who, "note": note}
            connection.execute(sa.insert(tables.acks).values(**row, at_ns=now_ns))
            said = TimelineRow(project, rule, incident, now_ns, "acknowledged", who, note)
            add_timeline(connection, [said])
            _look_again(connection, project)
            return True

    def silences(
        self, project: str, *, with_past: bool = False, now_ns: int = 0
    ) -> list[SilenceRow]:
        """Return silences of a project, newest first: those that may still hold, or all."""
        table = tables.silences
        statement = sa.select(table).where(table.c.project == project)
        if not with_past:
            may_hold = (table.c.ends_at_ns > now_ns) | (table.c.repeats != "")
            statement = statement.where(table.c.lifted_at_ns.is_(None), may_hold)
        statement = statement.order_by(table.c.created_at_ns.desc(), table.c.id)
        with reading(self._engine) as connection:
            return [_silence(row) for row in connection.execute(statement).mappings()]

    def silence(self, row: SilenceRow) -> SilenceRow:
        """Add a silence; return it with its id."""
        made = replace(row, id=secrets.token_hex(8), author=row.author[:_WHO_LIMIT])
        values = values_of(made) | {"matchers": json.dumps(row.matchers)}
        with writing(self._engine) as connection:
            connection.execute(sa.insert(tables.silences).values(values))
            _look_again(connection, row.project)
        return made

    def lift(self, project: str, silence_id: str, who: str, now_ns: int) -> bool:
        """End a silence; False: there is none that holds."""
        table = tables.silences
        mine = (table.c.project == project) & (table.c.id == silence_id)
        statement = sa.update(table).where(mine, table.c.lifted_at_ns.is_(None))
        with writing(self._engine) as connection:
            done = connection.execute(
                statement.values(lifted_at_ns=now_ns, lifted_by=who[:_WHO_LIMIT])
            )
            _look_again(connection, project)
            return bool(done.rowcount)

    def history(
        self, project: str, *, since_ns: int = 0, incident: str = "", limit: int = 500
    ) -> list[TimelineRow]:
        """Return what happened, the latest first."""
        table = tables.timeline
        statement = sa.select(table).where(table.c.project == project, table.c.at_ns >= since_ns)
        if incident:
            statement = statement.where(table.c.incident == incident)
        statement = statement.order_by(table.c.id.desc()).limit(limit)
        with reading(self._engine) as connection:
            return [TimelineRow(*row[1:]) for row in connection.execute(statement)]

    def rule_texts(self) -> dict[str, str]:
        """Return the rules that people keep here, as YAML, by name."""
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(tables.rules).order_by(tables.rules.c.name))
            return {str(row.name): str(row.text) for row in rows}

    def forget(self, now_ns: int) -> None:
        """Remove what ended more than ninety days ago."""
        before_ns = now_ns - _KEEP_RESOLVED_NS
        outbox, instances = tables.outbox, tables.instances
        old = sa.select(outbox.c.id).where(outbox.c.ended_at_ns < before_ns)
        with writing(self._engine) as connection:
            connection.execute(
                sa.delete(tables.attempts).where(tables.attempts.c.outbox_id.in_(old))
            )
            connection.execute(sa.delete(outbox).where(outbox.c.ended_at_ns < before_ns))
            connection.execute(_closed_groups(before_ns))
            connection.execute(
                sa.delete(instances).where(
                    instances.c.state == "inactive",
                    sa.func.coalesce(instances.c.resolved_at_ns, instances.c.active_at_ns)
                    < before_ns,
                )
            )
            connection.execute(
                sa.delete(tables.timeline).where(tables.timeline.c.at_ns < before_ns)
            )
            connection.execute(sa.delete(tables.acks).where(tables.acks.c.at_ns < before_ns))


def values_of(row: DataclassInstance) -> dict[str, Any]:
    """Return the fields of a row by name; ``asdict`` copies each value, ten times as slowly."""
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def new_outbox_values(new: NewOutbox) -> dict[str, Any]:
    """Return the columns of a row that waits to be sent."""
    return {
        **values_of(new),
        "status": "waiting",
        "not_before_ns": new.created_at_ns,
        "claimed_until_ns": 0,
        "attempts": 0,
        "is_doubtful": False,
        "receipt": "",
        "last_error": "",
    }


def add_timeline(connection: sa.Connection, rows: Iterable[TimelineRow]) -> None:
    """Add rows to the timeline."""
    values: Sequence[Mapping[str, object]] = [values_of(row) for row in rows]
    if values:
        connection.execute(sa.insert(tables.timeline), list(values))


def _closed_groups(before_ns: int) -> sa.Delete:
    """Return what removes groups that closed long ago, and of which no message is kept.

    A group that opens anew counts its runs from one again: nothing may be kept under these names.
    """
    groups, outbox = tables.groups, tables.outbox
    is_closed = groups.c.opened_at_ns.is_(None) & groups.c.due_at_ns.is_(None)
    is_old = sa.func.coalesce(groups.c.sent_at_ns, 0) < before_ns
    is_kept = (outbox.c.project == groups.c.project) & (outbox.c.group_id == groups.c.group_id)
    return sa.delete(groups).where(is_closed, is_old, ~sa.exists().where(is_kept))


def _look_again(connection: sa.Connection, project: str) -> None:
    """Have the engine look at the groups of a project at its next run."""
    mine = tables.groups.c.project == project
    connection.execute(sa.update(tables.groups).where(mine).values(due_at_ns=0))


def _locked_lease(connection: sa.Connection, name: str) -> Any:
    return connection.execute(
        sa.select(tables.leases).where(tables.leases.c.name == name).with_for_update()
    ).first()


def _silence(row: sa.RowMapping) -> SilenceRow:
    values: dict[str, Any] = dict(row)
    values["matchers"] = tuple(tuple(parts) for parts in json.loads(row["matchers"]))
    return SilenceRow(**values)
