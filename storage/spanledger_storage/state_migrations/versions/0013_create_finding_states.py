"""Create the tables of what people say of findings: states, their history, what is muted."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_IS_READER = sa.text(
    "SELECT count(*) FROM pg_roles"
    " WHERE rolname = 'reader' AND has_table_privilege(oid, 'finding_states', 'SELECT')"
)


def upgrade() -> None:
    """Apply; the dashboard's role, which can only read, may write what people say there."""
    op.create_table(
        "finding_states",
        sa.Column("project", sa.String(64), primary_key=True),
        sa.Column("finding_id", sa.String(32), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False, comment="names in docs/findings.md"),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("who", sa.String(128), nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    )
    op.create_table(
        "finding_mutes",
        sa.Column("project", sa.String(64), primary_key=True),
        sa.Column("pattern", sa.String(500), primary_key=True, comment="of findings, as stored"),
        sa.Column("finding_id", sa.String(32), nullable=False, comment="of the false alarm"),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("who", sa.String(128), nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("until_ns", sa.BigInteger, comment="NULL: for good"),
    )
    op.create_table(
        "finding_log",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("who", sa.String(128), nullable=False),
        sa.Column("action", sa.String(16), nullable=False, comment="the state, or mute unmute"),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("finding_id", sa.String(32), nullable=False, comment="empty: a pattern alone"),
        sa.Column("pattern", sa.String(500), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("finding_log_of_finding", "finding_log", ["project", "finding_id"])
    bind = op.get_bind()
    if bind.dialect.name == "postgresql" and bind.scalar(_IS_READER):
        op.execute("GRANT INSERT, UPDATE, DELETE ON finding_states, finding_mutes TO reader")
        op.execute("GRANT INSERT ON finding_log TO reader")
        op.execute("GRANT USAGE ON SEQUENCE finding_log_id_seq TO reader")
