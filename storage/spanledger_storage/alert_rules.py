"""Rules that people keep in the dashboard, and the log of who changed them."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from spanledger_storage import alert_tables as tables
from spanledger_storage.alert_tables import put, reading, writing
from spanledger_storage.state import metadata

_WHO_LIMIT = 128
_SHOWN = 50

rule_log = sa.Table(
    "alert_rule_log",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("rule", sa.String(64), nullable=False),
    sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("who", sa.String(128), nullable=False),
    sa.Column("action", sa.String(16), nullable=False, comment="saved removed"),
    sa.Column("text", sa.Text, nullable=False, comment="YAML as it was saved; empty: removed"),
    sa.Index("alert_rule_log_of_rule", "rule"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class StoredRule:
    """A rule of the dashboard: YAML, with who changed it last and when (UTC nanoseconds)."""

    name: str
    text: str
    changed_by: str
    changed_at_ns: int


@dataclass(frozen=True, slots=True)
class RuleChange:
    """What somebody did to a rule: ``saved`` with its text, or ``removed``; UTC nanoseconds."""

    at_ns: int
    who: str
    action: str
    text: str


class AlertRules:
    """Reads and changes the rules of the dashboard; the engine reads them from the same table.

    Methods raise StateError when the database does not answer, is read-only or lacks the tables.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def all(self) -> dict[str, StoredRule]:
        """Return the rules by name."""
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(tables.rules).order_by(tables.rules.c.name))
            return {
                str(row.name): StoredRule(row.name, row.text, row.changed_by, row.changed_at_ns)
                for row in rows
            }

    def put(self, name: str, text: str, who: str, now_ns: int) -> None:
        """Keep a rule, in the place of one of this name; whoever calls has checked it."""
        who = who[:_WHO_LIMIT]
        row = {"name": name, "text": text, "changed_at_ns": now_ns, "changed_by": who}
        with writing(self._engine) as connection:
            put(connection, tables.rules, [row])
            _note(connection, name, "saved", who, now_ns, text)

    def drop(self, name: str, who: str, now_ns: int) -> bool:
        """Forget a rule; False: there is none."""
        gone = sa.delete(tables.rules).where(tables.rules.c.name == name)
        with writing(self._engine) as connection:
            if not connection.execute(gone).rowcount:
                return False
            _note(connection, name, "removed", who[:_WHO_LIMIT], now_ns, "")
            return True

    def log(self, name: str) -> list[RuleChange]:
        """Return who changed a rule, the latest first, at most fifty changes."""
        mine = sa.select(rule_log).where(rule_log.c.rule == name)
        with reading(self._engine) as connection:
            rows = connection.execute(mine.order_by(rule_log.c.id.desc()).limit(_SHOWN))
            return [RuleChange(row.at_ns, row.who, row.action, row.text) for row in rows]


def _note(
    connection: sa.Connection, rule: str, action: str, who: str, now_ns: int, text: str
) -> None:
    values = {"rule": rule, "at_ns": now_ns, "who": who, "action": action, "text": text}
    connection.execute(sa.insert(rule_log).values(values))
