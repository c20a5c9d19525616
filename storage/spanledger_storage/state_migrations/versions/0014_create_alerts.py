"""Create the tables of alerts: rules, their state, what was sent, silences, acknowledgements."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_IS_READER = sa.text(
    "SELECT count(*) FROM pg_roles"
    " WHERE rolname = 'reader' AND has_table_privilege(oid, 'alert_rules', 'SELECT')"
)
_WRITTEN = "alert_rules, alert_silences, alert_acks, alert_groups"


def upgrade() -> None:
    """Apply; the dashboard's role, which can only read, may write what people say there."""
    _create_rules()
    _create_delivery()
    _create_words()
    bind = op.get_bind()
    if bind.dialect.name == "postgresql" and bind.scalar(_IS_READER):
        op.execute(f"GRANT INSERT, UPDATE, DELETE ON {_WRITTEN} TO reader")
        op.execute("GRANT INSERT ON alert_timeline TO reader")
        op.execute("GRANT USAGE ON SEQUENCE alert_timeline_id_seq TO reader")


def _create_rules() -> None:
    op.create_table(
        "alert_leases",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("holder", sa.String(128), nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False, comment="grows with every new holder"),
        sa.Column("expires_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    )
    op.create_table(
        "alert_rules",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("text", sa.Text, nullable=False, comment="YAML, as people wrote it"),
        sa.Column("changed_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("changed_by", sa.String(128), nullable=False),
    )
    op.create_table(
        "alert_rule_states",
        sa.Column("project", sa.String(64), primary_key=True),
        sa.Column("rule", sa.String(64), primary_key=True),
        sa.Column("slot_ns", sa.BigInteger, nullable=False, comment="last evaluated, UTC ns"),
        sa.Column("empty", sa.Integer, nullable=False, comment="evaluations without data in a row"),
        sa.Column("errors", sa.Integer, nullable=False, comment="evaluations that failed in a row"),
        sa.Column("last_error", sa.Text, nullable=False),
        sa.Column("samples", sa.Integer, nullable=False, comment="of the last evaluation"),
        sa.Column("left_out", sa.Integer, nullable=False, comment="instances beyond the limit"),
        sa.Column("duration_ns", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "alert_instances",
        sa.Column("project", sa.String(64), primary_key=True),
        sa.Column(
            "instance_id", sa.String(16), primary_key=True, comment="hex, of rule and labels"
        ),
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
    )
    op.create_index("alert_instances_of_rule", "alert_instances", ["project", "rule", "state"])


def _create_delivery() -> None:
    op.create_table(
        "alert_groups",
        sa.Column("project", sa.String(64), primary_key=True),
        sa.Column("group_id", sa.String(16), primary_key=True, comment="hex, of rule and labels"),
        sa.Column("channel", sa.String(64), primary_key=True),
        sa.Column("rule", sa.String(64), nullable=False),
        sa.Column("run", sa.Integer, nullable=False, comment="grows whenever it fires anew"),
        sa.Column("opened_at_ns", sa.BigInteger, comment="NULL: nothing fires"),
        sa.Column("sent_at_ns", sa.BigInteger, comment="of the last notification"),
        sa.Column("told", sa.Text, nullable=False, comment="JSON: incidents the channel knows of"),
        sa.Column("due_at_ns", sa.BigInteger, comment="NULL: nothing to wait for"),
    )
    op.create_index("ix_alert_groups_due_at_ns", "alert_groups", ["due_at_ns"])
    op.create_table(
        "alert_outbox",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("rule", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(64), nullable=False),
        sa.Column("group_id", sa.String(16), nullable=False),
        sa.Column("group_key", sa.String(128), nullable=False),
        sa.Column("transition", sa.String(16), nullable=False),
        sa.Column("payload", sa.Text, nullable=False, comment="JSON of the notification"),
        sa.Column(
            "status",
            sa.String(16),
            nullable=False,
            comment="waiting sending sent dead expired merged",
        ),
        sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("not_before_ns", sa.BigInteger, nullable=False),
        sa.Column("claimed_until_ns", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("is_doubtful", sa.Boolean, nullable=False, comment="it may have been taken"),
        sa.Column("receipt", sa.Text, nullable=False),
        sa.Column("last_error", sa.Text, nullable=False),
        sa.Column("ended_at_ns", sa.BigInteger, comment="when it left the queue"),
        sqlite_autoincrement=True,
    )
    op.create_index("alert_outbox_waiting", "alert_outbox", ["status", "channel", "id"])
    op.create_index("alert_outbox_of_group", "alert_outbox", ["group_key", "channel"])
    op.create_table(
        "alert_attempts",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("outbox_id", sa.Integer, nullable=False),
        sa.Column("channel", sa.String(64), nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column(
            "outcome", sa.String(16), nullable=False, comment="sent failed dead expired merged"
        ),
        sa.Column("reason", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_alert_attempts_outbox_id", "alert_attempts", ["outbox_id"])


def _create_words() -> None:
    op.create_table(
        "alert_silences",
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
    op.create_table(
        "alert_acks",
        sa.Column("project", sa.String(64), primary_key=True),
        sa.Column(
            "incident", sa.String(128), primary_key=True, comment="project/instance/generation"
        ),
        sa.Column("who", sa.String(128), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    )
    op.create_table(
        "alert_timeline",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("rule", sa.String(64), nullable=False),
        sa.Column(
            "incident", sa.String(128), nullable=False, comment="project/instance/generation"
        ),
        sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("action", sa.String(16), nullable=False, comment="names in docs/alerts.md"),
        sa.Column("who", sa.String(128), nullable=False, comment="empty: the engine"),
        sa.Column("note", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("alert_timeline_of", "alert_timeline", ["project", "incident"])
    op.create_index("alert_timeline_at", "alert_timeline", ["project", "at_ns"])
