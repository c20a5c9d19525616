"""Create the tables of allocation: rules, and the log of their changes."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "allocation_rules",
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
    op.create_table(
        "allocation_log",
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
