"""What people say of findings, in the state database: states, their history, muted patterns.

Findings themselves are in the telemetry store; this names them by project and id.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import sqlalchemy as sa

from spanledger_storage.errors import ConfigError
from spanledger_storage.state import metadata, upsert
from spanledger_storage.state_access import explained

_explained = partial(explained, "The states of findings")

FindingState = Literal["open", "acknowledged", "resolved", "false_alarm", "expected"]
STATES: tuple[FindingState, ...] = get_args(FindingState)
PATTERN_LIMIT = 500
NOTE_LIMIT = 2_000
_BATCH = 500  # SQLite's limit on the parameters of one statement is some thousands
_WHO_LIMIT = 128

states = sa.Table(
    "finding_states",
    metadata,
    sa.Column("project", sa.String(64), primary_key=True),
    sa.Column("finding_id", sa.String(32), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False, comment="names in docs/findings.md"),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("who", sa.String(128), nullable=False),
    sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
)

mutes = sa.Table(
    "finding_mutes",
    metadata,
    sa.Column("project", sa.String(64), primary_key=True),
    sa.Column("pattern", sa.String(500), primary_key=True, comment="of findings, as stored"),
    sa.Column("finding_id", sa.String(32), nullable=False, comment="of the false alarm"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("who", sa.String(128), nullable=False),
    sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("until_ns", sa.BigInteger, comment="NULL: for good"),
)

log = sa.Table(
    "finding_log",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("who", sa.String(128), nullable=False),
    sa.Column("action", sa.String(16), nullable=False, comment="the state, or mute unmute"),
    sa.Column("project", sa.String(64), nullable=False),
    sa.Column("finding_id", sa.String(32), nullable=False, comment="empty: a pattern alone"),
    sa.Column("pattern", sa.String(500), nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Index("finding_log_of_finding", "project", "finding_id"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class StateRow:
    """What somebody last said of a finding; ``at_ns`` in UTC nanoseconds."""

    finding_id: str
    state: FindingState
    note: str
    who: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class MuteRow:
    """A pattern whose findings are hidden.

    Attributes:
        pattern: as findings have it.
        finding_id: the false alarm it was muted with; empty: muted by itself.
        until_ns: first moment at which it holds no longer, UTC nanoseconds; None: for good.
    """

    pattern: str
    finding_id: str
    reason: str
    who: str
    at_ns: int
    until_ns: int | None = None

    def holds(self, now_ns: int) -> bool:
        """Return whether it hides findings at a time."""
        return self.until_ns is None or now_ns < self.until_ns


@dataclass(frozen=True, slots=True)
class LogRow:
    """A row of ``finding_log``."""

    id: int
    at_ns: int
    who: str
    action: str
    project: str
    finding_id: str
    pattern: str
    note: str


class FindingStates:
    """Reads and writes what people say of findings.

    Methods raise StateError when the database does not answer, is read-only or lacks the tables.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def of(self, project: str, finding_ids: list[str] | None = None) -> dict[str, StateRow]:
        """Return states by finding; of findings that nobody said anything of, there is none.

        Args:
            project: whose findings.
            finding_ids: which; None: all.
        """
        statement = sa.select(states).where(states.c.project == project)
        with _explained(), self._engine.connect() as connection:
            found: list[sa.RowMapping] = []
            if finding_ids is None:
                found += connection.execute(statement).mappings()
            for part in _parts(finding_ids or []):
                narrowed = statement.where(states.c.finding_id.in_(part))
                found += connection.execute(narrowed).mappings()
        return {row.finding_id: row for row in map(_state, found)}

    def since(self, project: str, since_ns: int, limit: int) -> list[StateRow]:
        """Return what was last said of findings since a moment (UTC nanoseconds), newest first."""
        statement = (
            sa.select(states)
            .where(states.c.project == project, states.c.at_ns >= since_ns)
            .order_by(states.c.at_ns.desc(), states.c.finding_id)
            .limit(limit)
        )
        with _explained(), self._engine.connect() as connection:
            return [_state(row) for row in connection.execute(statement).mappings()]

    def mutes(self, project: str) -> list[MuteRow]:
        """Return the muted patterns, those among them that hold no longer; by pattern."""
        statement = sa.select(mutes).where(mutes.c.project == project).order_by(mutes.c.pattern)
        with _explained(), self._engine.connect() as connection:
            return [_mute(row) for row in connection.execute(statement).mappings()]

    def history(self, project: str, finding_id: str = "", limit: int = 100) -> list[LogRow]:
        """Return what was said of a finding, or of all of them, the latest first."""
        statement = sa.select(log).where(log.c.project == project)
        if finding_id:
            statement = statement.where(log.c.finding_id == finding_id)
        statement = statement.order_by(log.c.id.desc()).limit(limit)
        with _explained(), self._engine.connect() as connection:
            return [LogRow(**dict(row)) for row in connection.execute(statement).mappings()]

    def say(
        self,
        project: str,
        finding_id: str,
        state: str,
        *,
        pattern: str,
        who: str,
        now_ns: int,
        note: str = "",
        mute_until_ns: int | None = None,
    ) -> StateRow:
        """Put a finding into a state, and note it in the log; all of it, or nothing.

        A false alarm mutes the pattern. Any other state lifts the mute that came with calling this
        finding a false alarm.

        Raises:
            ConfigError: there is no such state, or a text is too long.
        """
        row = StateRow(finding_id, _known(state), _checked(note), who[:_WHO_LIMIT], now_ns)
        pattern = pattern[:PATTERN_LIMIT]
        with _explained(), self._engine.begin() as connection:
            key = {"project": project, "finding_id": finding_id}
            said = {"state": row.state, "note": row.note, "who": row.who, "at_ns": now_ns}
            upsert(connection, states, key, said)
            entry = _entry(project, row.who, now_ns, note=row.note) | {
                "finding_id": finding_id,
                "pattern": pattern,
            }
            connection.execute(sa.insert(log).values({**entry, "action": row.state}))
            if row.state == "false_alarm" and pattern:
                mute = MuteRow(pattern, finding_id, row.note, row.who, now_ns, mute_until_ns)
                _put_mute(connection, project, mute)
                connection.execute(sa.insert(log).values({**entry, "action": "mute"}))
            elif _lift(connection, project, mutes.c.finding_id == finding_id):
                connection.execute(sa.insert(log).values({**entry, "action": "unmute"}))
        return row

    def unmute(self, project: str, pattern: str, *, who: str, now_ns: int) -> bool:
        """Show findings of a pattern again; return False where it was not muted."""
        with _explained(), self._engine.begin() as connection:
            if not _lift(connection, project, mutes.c.pattern == pattern):
                return False
            entry = _entry(project, who, now_ns) | {"finding_id": "", "pattern": pattern}
            connection.execute(sa.insert(log).values({**entry, "action": "unmute"}))
            return True


def _put_mute(connection: sa.Connection, project: str, mute: MuteRow) -> None:
    said = {
        "finding_id": mute.finding_id,
        "reason": mute.reason,
        "who": mute.who,
        "at_ns": mute.at_ns,
        "until_ns": mute.until_ns,
    }
    upsert(connection, mutes, {"project": project, "pattern": mute.pattern}, said)


def _lift(connection: sa.Connection, project: str, which: sa.ColumnElement[bool]) -> bool:
    statement = sa.delete(mutes).where(mutes.c.project == project, which)
    return bool(connection.execute(statement).rowcount)


def _entry(project: str, who: str, now_ns: int, note: str = "") -> dict[str, Any]:
    return {"at_ns": now_ns, "who": who[:_WHO_LIMIT], "project": project, "note": note}


def _known(state: str) -> FindingState:
    for known in STATES:
        if state == known:
            return known
    raise ConfigError(f"A finding's state is {', '.join(STATES)}, not {state[:40]!r}.")


def _checked(note: str) -> str:
    if len(note) > NOTE_LIMIT:
        raise ConfigError(f"A note has up to {NOTE_LIMIT:,} characters.")
    if "\0" in note:
        raise ConfigError("A zero byte cannot be part of a note.")
    return note


def _parts(ids: list[str]) -> list[list[str]]:
    return [ids[start : start + _BATCH] for start in range(0, len(ids), _BATCH)]


def _state(row: sa.RowMapping) -> StateRow:
    return StateRow(
        finding_id=str(row["finding_id"]),
        state=_known(str(row["state"])),
        note=str(row["note"]),
        who=str(row["who"]),
        at_ns=int(row["at_ns"]),
    )


def _mute(row: sa.RowMapping) -> MuteRow:
    values = {name: row[name] for name in row if name != "project"}
    return MuteRow(**values)
