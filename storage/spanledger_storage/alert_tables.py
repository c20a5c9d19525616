"""The tables of alerts, and how they are changed: one transaction for a step of the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from spanledger_storage import state_access
from spanledger_storage.state import metadata

reading = partial(state_access.reading, what="The alerts")
writing = partial(state_access.writing, what="The alerts")

leases = sa.Table(
    "alert_leases",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("holder", sa.String(128), nullable=False),
    sa.Column("token", sa.BigInteger, nullable=False, comment="grows with every new holder"),
    sa.Column("expires_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
)

rules = sa.Table(
    "alert_rules",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("text", sa.Text, nullable=False, comment="YAML, as people wrote it"),
    sa.Column("changed_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("changed_by", sa.String(128), nullable=False),
)

rule_states = sa.Table(
    "alert_rule_states",
    metadata,
    sa.Column("project", sa.String(64), primary_key=True),
    sa.Column("rule", sa.String(64), primary_key=True),
    sa.Column("slot_ns", sa.BigInteger, nullable=False, comment="last evaluated, UTC ns"),
    sa.Column("empty", sa.Integer, nullable=False, comment="evaluations without data in a row"),
    sa.Column("errors", sa.Integer, nullable=False, comment="evaluations that failed in a row"),
    sa.Column("last_error", sa.Text, nullable=False),
    sa.Column("samples", sa.Integer, nullable=False, comment="of the last evaluation"),
    sa.Column("left_out", sa.Integer, nullable=False, comment="instances beyond the limit"),
    sa.Column("duration_ns", sa.BigInteger, nullable=False),
    sa.Column("evaluations", sa.BigInteger, nullable=False, server_default="0", comment="ever"),
    sa.Column(
        *("failures", sa.BigInteger),
        nullable=False,
        server_default="0",
        comment="evaluations that failed, ever",
    ),
    sa.Column(
        *("spent_ns", sa.BigInteger),
        nullable=False,
        server_default="0",
        comment="time of all evaluations",
    ),
)

figures = sa.Table(
    "alert_figures",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("of", sa.String(64), primary_key=True, comment="channel, or empty"),
    sa.Column("outcome", sa.String(16), primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False, comment="a count, or UTC nanoseconds"),
)

instances = sa.Table(
    "alert_instances",
    metadata,
    sa.Column("project", sa.String(64), primary_key=True),
    sa.Column("instance_id", sa.String(16), primary_key=True, comment="hex, of rule and labels"),
    sa.Column("rule", sa.String(64), nullable=False),
    sa.Column("labels", sa.Text, nullable=False, comment="JSON"),
    sa.Column("state", sa.String(16), nullable=False, comment="names in docs/alerts.md"),
    sa.Column("severity", sa.String(16), nullable=False),
    sa.Column("generation", sa.Integer, nullable=False, comment="grows with every incident"),
    sa.Column("active_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("fired_at_ns", sa.BigInteger, comment="NULL: never"),
    sa.Column("resolved_at_ns", sa.BigInteger, comment="NULL: not yet"),
    sa.Column("recovering_since_ns", sa.BigInteger),
    sa.Column("lower_since_ns", sa.BigInteger),
    sa.Column("missing_since_ns", sa.BigInteger),
    sa.Column("escalated_at_ns", sa.BigInteger),
    sa.Column("sample", sa.Text, nullable=False, comment="JSON: what was measured last"),
    sa.Column("worst_value", sa.String(64), comment="of the incident, in the rule's unit"),
    sa.Column("worst_usd", sa.String(64), comment="most dollars of the incident"),
    sa.Index("alert_instances_of_rule", "project", "rule", "state"),
)

groups = sa.Table(
    "alert_groups",
    metadata,
    sa.Column("project", sa.String(64), primary_key=True),
    sa.Column("group_id", sa.String(16), primary_key=True, comment="hex, of rule and labels"),
    sa.Column("channel", sa.String(64), primary_key=True),
    sa.Column("rule", sa.String(64), nullable=False),
    sa.Column("run", sa.Integer, nullable=False, comment="grows whenever it fires anew"),
    sa.Column("opened_at_ns", sa.BigInteger, comment="NULL: nothing fires"),
    sa.Column("sent_at_ns", sa.BigInteger, comment="of the last notification"),
    sa.Column("told", sa.Text, nullable=False, comment="JSON: incidents the channel knows of"),
    sa.Column("due_at_ns", sa.BigInteger, index=True, comment="NULL: nothing to wait for"),
    sa.Column("labels", sa.Text, comment="JSON; NULL: not known"),
)

outbox = sa.Table(
    "alert_outbox",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("project", sa.String(64), nullable=False),
    sa.Column("rule", sa.String(64), nullable=False),
    sa.Column("channel", sa.String(64), nullable=False),
    sa.Column("group_id", sa.String(16), nullable=False),
    sa.Column("group_key", sa.String(128), nullable=False),
    sa.Column("transition", sa.String(16), nullable=False),
    sa.Column("payload", sa.Text, nullable=False, comment="JSON of the notification"),
    sa.Column(
        *("status", sa.String(16)),
        nullable=False,
        comment="waiting sending sent dead expired merged dropped",
    ),
    sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("not_before_ns", sa.BigInteger, nullable=False),
    sa.Column("claimed_until_ns", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("is_doubtful", sa.Boolean, nullable=False, comment="it may have been taken"),
    sa.Column("receipt", sa.Text, nullable=False),
    sa.Column("last_error", sa.Text, nullable=False),
    sa.Column("ended_at_ns", sa.BigInteger, comment="when it left the queue"),
    sa.Column(
        *("retried_at_ns", sa.BigInteger),
        comment="when somebody had it tried again, UTC nanoseconds",
    ),
    sa.Index("alert_outbox_waiting", "status", "channel", "id"),
    sa.Index("alert_outbox_of_group", "group_key", "channel"),
    sqlite_autoincrement=True,
)
LETTERS = ("dead", "expired")
"""Status of what a channel refused, or did not take in a day."""
WAITS_SINCE = sa.func.coalesce(outbox.c.retried_at_ns, outbox.c.created_at_ns)
"""Since when a notification waits, UTC nanoseconds."""

attempts = sa.Table(
    "alert_attempts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("outbox_id", sa.Integer, nullable=False, index=True),
    sa.Column("channel", sa.String(64), nullable=False),
    sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("outcome", sa.String(16), nullable=False, comment="sent failed dead expired merged"),
    sa.Column("reason", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)

silences = sa.Table(
    "alert_silences",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True, comment="hex"),
    sa.Column("project", sa.String(64), nullable=False),
    sa.Column("matchers", sa.Text, nullable=False, comment="JSON: [[label, op, value], …]"),
    sa.Column("starts_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("ends_at_ns", sa.BigInteger, nullable=False),
    sa.Column("repeats", sa.String(8), nullable=False, comment="empty: once; daily weekly"),
    sa.Column("timezone", sa.String(64), nullable=False, comment="IANA name, for repeats"),
    sa.Column("author", sa.String(128), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at_ns", sa.BigInteger, nullable=False),
    sa.Column("lifted_at_ns", sa.BigInteger, comment="NULL: not lifted"),
    sa.Column("lifted_by", sa.String(128), nullable=False),
)

acks = sa.Table(
    "alert_acks",
    metadata,
    sa.Column("project", sa.String(64), primary_key=True),
    sa.Column("incident", sa.String(128), primary_key=True, comment="project/instance/generation"),
    sa.Column("who", sa.String(128), nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
)

timeline = sa.Table(
    "alert_timeline",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("project", sa.String(64), nullable=False),
    sa.Column("rule", sa.String(64), nullable=False),
    sa.Column("incident", sa.String(128), nullable=False, comment="project/instance/generation"),
    sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("action", sa.String(16), nullable=False, comment="names in docs/alerts.md"),
    sa.Column("who", sa.String(128), nullable=False, comment="empty: the engine"),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("usd", sa.String(64), comment="of an end: most dollars of the incident"),
    sa.Index("alert_timeline_of", "project", "incident"),
    sa.Index("alert_timeline_at", "project", "at_ns"),
    sqlite_autoincrement=True,
)


def is_told() -> sa.ColumnElement[bool]:
    """Return whether a message that was made later was taken: each tells all that is new.

    Acknowledgements alone tell nothing else.
    """
    later = outbox.alias("later")
    same = (later.c.channel == outbox.c.channel) & (later.c.group_key == outbox.c.group_key)
    same &= (later.c.id > outbox.c.id) & (later.c.status == "sent")
    return sa.exists().where(same, later.c.transition != "acknowledge")


def put(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Write whole rows, each in the place of the one with its key; all have the same columns."""
    if not rows:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(
        statement.on_conflict_do_update(index_elements=keys, set_=changed),
        [dict(row) for row in rows],
    )
