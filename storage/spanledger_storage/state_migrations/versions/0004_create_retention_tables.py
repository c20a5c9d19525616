"""Create the tables for what retention removed, and the log of deletions."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "retention_floors",
        sa.Column("project", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True, comment="content spans metrics ledger"),
        sa.Column("day", sa.Integer, nullable=False, comment="YYYYMMDD; earlier days were removed"),
    )
    op.create_table(
        "retention_cleared",
        sa.Column("table_name", sa.String(32), primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True, comment="YYYYMMDD"),
        sa.Column("project", sa.String(64), primary_key=True),
        sa.Column("block", sa.BigInteger, nullable=False, comment="newest insert that was cleared"),
    )
    _create_deletions()


def _create_deletions() -> None:
    op.create_table(
        "deletions",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("who", sa.String(128), nullable=False),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False, comment="trace session user"),
        sa.Column("subject", sa.String(64), nullable=False, comment="hex; keyed hash of the id"),
        sa.Column("action", sa.String(16), nullable=False, comment="begin finish"),
        sa.Column("said", sa.Text, nullable=False, comment="JSON: rows by table, dollars"),
        sqlite_autoincrement=True,
    )
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER deletions_no_{verb.lower()} BEFORE {verb} ON deletions "
                "BEGIN SELECT RAISE(ABORT, 'deletions is append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION deletions_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'deletions is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER deletions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON deletions "
        "FOR EACH STATEMENT EXECUTE FUNCTION deletions_append_only()"
    )
