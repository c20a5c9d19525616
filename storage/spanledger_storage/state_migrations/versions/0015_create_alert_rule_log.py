"""Create the log of who changed the alert rules that people keep."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_IS_READER = sa.text(
    "SELECT count(*) FROM pg_roles"
    " WHERE rolname = 'reader' AND has_table_privilege(oid, 'alert_rule_log', 'SELECT')"
)


def upgrade() -> None:
    """Apply; the dashboard's role, which can only read, may add to it."""
    op.create_table(
        "alert_rule_log",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("rule", sa.String(64), nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("who", sa.String(128), nullable=False),
        sa.Column("action", sa.String(16), nullable=False, comment="saved removed"),
        sa.Column("text", sa.Text, nullable=False, comment="YAML as it was saved; empty: removed"),
        sqlite_autoincrement=True,
    )
    op.create_index("alert_rule_log_of_rule", "alert_rule_log", ["rule"])
    bind = op.get_bind()
    if bind.dialect.name == "postgresql" and bind.scalar(_IS_READER):
        op.execute("GRANT INSERT ON alert_rule_log TO reader")
        op.execute("GRANT USAGE ON SEQUENCE alert_rule_log_id_seq TO reader")
