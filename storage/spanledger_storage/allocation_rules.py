"""Rules of allocation in the state database: effective-dated, closed but never deleted.

A change of a rule is a new row; ``allocation_log`` keeps who changed what, and is only added to.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import sqlalchemy as sa

from spanledger_storage.state import metadata
from spanledger_storage.state_access import explained

_explained = partial(explained, "The allocation rules")

rules = sa.Table(
    "allocation_rules",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("project", sa.String(64), nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("position", sa.Integer, nullable=False, comment="the lowest is asked first"),
    sa.Column("conditions", sa.Text, nullable=False, comment="JSON: pattern by field"),
    sa.Column("owner", sa.Text, nullable=False, comment="JSON: value or dimension:NAME"),
    sa.Column("pool", sa.String(64), nullable=False, comment="empty: not shared"),
    sa.Column("split", sa.String(16), nullable=False, comment="even spend tokens percent"),
    sa.Column("among", sa.String(16), nullable=False, comment="team cost_center customer"),
    sa.Column("percents", sa.Text, nullable=False, comment="JSON: decimal text by name"),
    sa.Column("effective_from_s", sa.BigInteger, nullable=False, comment="UTC seconds"),
    sa.Column("effective_to_s", sa.BigInteger, comment="first second without it"),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("withdrawn_at_ns", sa.BigInteger, comment="since then it never held"),
    sqlite_autoincrement=True,
)

log = sa.Table(
    "allocation_log",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("who", sa.String(128), nullable=False),
    sa.Column("action", sa.String(16), nullable=False, comment="add close withdraw"),
    sa.Column("project", sa.String(64), nullable=False),
    sa.Column("rule", sa.String(64), nullable=False, comment="its name"),
    sa.Column("before", sa.Text, comment="JSON; NULL: it did not exist"),
    sa.Column("after", sa.Text, nullable=False, comment="JSON"),
    sqlite_autoincrement=True,
)

_JSON = ("conditions", "owner", "percents")


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A row of ``allocation_rules``; ``id`` and ``created_at_ns`` are 0 before it is stored.

    Attributes:
        conditions: pattern by field; all have to hold.
        owner: by owner field, a value or ``dimension:NAME``; empty for shared costs.
        pool: name of the shared costs it collects; empty: it gives to owners.
        percents: decimal text by name of ``among``.
        effective_from_s: UTC seconds; the period is half open.
    """

    project: str
    name: str
    position: int
    effective_from_s: int
    conditions: Mapping[str, str] = field(default_factory=dict)
    owner: Mapping[str, str] = field(default_factory=dict)
    pool: str = ""
    split: str = ""
    among: str = ""
    percents: Mapping[str, str] = field(default_factory=dict)
    effective_to_s: int | None = None
    note: str = ""
    id: int = 0
    created_at_ns: int = 0
    withdrawn_at_ns: int | None = None


@dataclass(frozen=True, slots=True)
class LogRow:
    """A row of ``allocation_log``."""

    id: int
    at_ns: int
    who: str
    action: str
    project: str
    rule: str
    before: str | None
    after: str


class AllocationRules:
    """Reads and changes rules of allocation.

    Methods raise StateError when the database does not answer or lacks the tables.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def rows(self, project: str, *, withdrawn: bool = False) -> list[RuleRow]:
        """Return the rules of a project in the order they are asked in, past ones among them.

        Args:
            project: whose rules.
            withdrawn: also those that were taken back as if they had never been.
        """
        with _explained(), self._engine.connect() as connection:
            return _rows(connection, project, withdrawn)

    def log(self, project: str, limit: int) -> list[LogRow]:
        """Return the newest changes, the latest first."""
        statement = (
            sa.select(log).where(log.c.project == project).order_by(log.c.id.desc()).limit(limit)
        )
        with _explained(), self._engine.connect() as connection:
            return [LogRow(**dict(found)) for found in connection.execute(statement).mappings()]

    @contextmanager
    def change(self, who: str, now_ns: int) -> Generator[AllocationChange]:
        """Open one change; it is stored as a whole when the block ends, or not at all."""
        with _explained(), self._engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text("LOCK TABLE allocation_rules IN EXCLUSIVE MODE"))
            else:  # a write that changes nothing takes the lock of a SQLite file
                connection.execute(sa.update(rules).where(sa.false()).values(note=""))
            yield AllocationChange(connection, who, now_ns)


class AllocationChange:
    """One open change; see :meth:`AllocationRules.change`."""

    def __init__(self, connection: sa.Connection, who: str, now_ns: int) -> None:
        self._connection = connection
        self._who = who
        self._now_ns = now_ns

    def rows(self, project: str, *, withdrawn: bool = False) -> list[RuleRow]:
        """Return the rules as this change sees them."""
        return _rows(self._connection, project, withdrawn)

    def add(self, row: RuleRow) -> RuleRow:
        """Store a new rule; return it with its id."""
        stored = replace(row, created_at_ns=self._now_ns, withdrawn_at_ns=None)
        values = _values(stored)
        del values["id"]
        key = self._connection.execute(sa.insert(rules).values(values)).inserted_primary_key
        stored = replace(stored, id=key[0] if key else 0)
        self._log("add", None, stored)
        return stored

    def close(self, row: RuleRow, to_s: int) -> RuleRow:
        """Let a rule hold no longer than ``to_s``."""
        return self._update("close", row, replace(row, effective_to_s=to_s))

    def withdraw(self, row: RuleRow) -> RuleRow:
        """Let a rule hold at no time, as if it had never been there."""
        return self._update("withdraw", row, replace(row, withdrawn_at_ns=self._now_ns))

    def _update(self, action: str, before: RuleRow, after: RuleRow) -> RuleRow:
        changed = {
            "effective_to_s": after.effective_to_s,
            "withdrawn_at_ns": after.withdrawn_at_ns,
        }
        self._connection.execute(sa.update(rules).where(rules.c.id == before.id).values(changed))
        self._log(action, before, after)
        return after

    def _log(self, action: str, before: RuleRow | None, after: RuleRow) -> None:
        entry = {
            "at_ns": self._now_ns,
            "who": self._who[:128],
            "action": action,
            "project": after.project,
            "rule": after.name,
            "before": None if before is None else _json(asdict(before)),
            "after": _json(asdict(after)),
        }
        self._connection.execute(sa.insert(log).values(entry))


def _rows(connection: sa.Connection, project: str, withdrawn: bool) -> list[RuleRow]:
    statement = (
        sa.select(rules)
        .where(rules.c.project == project)
        .order_by(rules.c.position, rules.c.name, rules.c.effective_from_s, rules.c.id)
    )
    if not withdrawn:
        statement = statement.where(rules.c.withdrawn_at_ns.is_(None))
    return [_row(dict(found)) for found in connection.execute(statement).mappings()]


def _row(found: dict[str, Any]) -> RuleRow:
    return RuleRow(**{**found, **{name: json.loads(found[name]) for name in _JSON}})


def _values(row: RuleRow) -> dict[str, Any]:
    values = asdict(row)
    return {**values, **{name: _json(values[name]) for name in _JSON}}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
