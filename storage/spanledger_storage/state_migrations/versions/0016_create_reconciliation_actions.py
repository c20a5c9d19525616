"""Create the tables of what people do about a reconciliation: actions, and posted months."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

_IS_READER = sa.text(
    "SELECT count(*) FROM pg_roles"
    " WHERE rolname = 'reader' AND has_table_privilege(oid, 'reconciliation_actions', 'SELECT')"
)


def upgrade() -> None:
    """Apply; the dashboard's role, which can only read, may ask for actions there."""
    op.create_table(
        "reconciliation_actions",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False, comment="apply reverse post unpost"),
        sa.Column("first_day", sa.String(10), nullable=False, comment="of the reconciliation"),
        sa.Column("last_day", sa.String(10), nullable=False),
        sa.Column("provider", sa.String(128), nullable=False, comment="empty: all"),
        sa.Column("what", sa.Text, nullable=False, comment="JSON: the correction"),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("reverses", sa.Integer, comment="id of the action that is taken back"),
        sa.Column("who", sa.String(128), nullable=False),
        sa.Column("asked_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("status", sa.String(8), nullable=False, comment="asked running done failed"),
        sa.Column("changed_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("made", sa.Text, nullable=False, comment="JSON: what it made, to take it back"),
        sa.Column("said", sa.Text, nullable=False, comment="what came of it"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "reconciliation_actions_of_project", "reconciliation_actions", ["project", "id"]
    )
    op.create_table(
        "reconciliation_postings",
        sa.Column("project", sa.String(64), primary_key=True),
        sa.Column("month", sa.String(7), primary_key=True, comment="2026-11"),
        sa.Column("provider", sa.String(128), primary_key=True, comment="empty: all"),
        sa.Column("who", sa.String(128), nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("cells_version", sa.BigInteger, nullable=False, comment="digest of those posted"),
    )
    bind = op.get_bind()
    if bind.dialect.name == "postgresql" and bind.scalar(_IS_READER):
        op.execute("GRANT INSERT ON reconciliation_actions TO reader")
        op.execute("GRANT USAGE ON SEQUENCE reconciliation_actions_id_seq TO reader")
