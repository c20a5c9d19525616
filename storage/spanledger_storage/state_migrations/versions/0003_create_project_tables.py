"""Create the tables for projects, their keys, and the log of their changes; make ``default``."""

import secrets
import time

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply."""
    _create_projects()
    _create_keys()
    _create_log()
    op.create_table(
        "project_revision",
        sa.Column("id", sa.Integer, primary_key=True, comment="always 1"),
        sa.Column("revision", sa.BigInteger, nullable=False, comment="grows with every change"),
    )
    op.execute("INSERT INTO project_revision (id, revision) VALUES (1, 0)")
    _refuse_changes_of_the_log()


def _create_projects() -> None:
    projects = op.create_table(
        "projects",
        sa.Column("name", sa.String(64), primary_key=True, comment="as in every table's project"),
        sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("created_by", sa.String(128), nullable=False),
        sa.Column("settings", sa.Text, nullable=False, comment="JSON: what is not the default"),
        sa.Column("salt", sa.String(64), nullable=False, comment="hex; secret of keyed hashes"),
    )
    default = {
        "name": "default",
        "created_at_ns": int(time.time()) * 10**9,
        "created_by": "spanledger",
        "settings": "{}",
        "salt": secrets.token_hex(32),
    }
    op.bulk_insert(projects, [default])


def _create_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(32), primary_key=True, comment="public part of the key"),
        sa.Column("project", sa.String(64), sa.ForeignKey("projects.name"), nullable=False),
        sa.Column("label", sa.String(128), nullable=False),
        sa.Column("scopes", sa.String(64), nullable=False, comment="ingest read admin"),
        sa.Column("secret_sha256", sa.String(64), nullable=False, comment="hex"),
        sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("created_by", sa.String(128), nullable=False),
        sa.Column("expires_at_ns", sa.BigInteger, comment="first instant it no longer holds"),
        sa.Column("revoked_at_ns", sa.BigInteger, comment="since then it opens nothing"),
    )


def _create_log() -> None:
    op.create_table(
        "project_log",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("revision", sa.BigInteger, nullable=False, comment="of the change it is part of"),
        sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("who", sa.String(128), nullable=False),
        sa.Column("action", sa.String(32), nullable=False, comment="create set revoke"),
        sa.Column("object", sa.String(96), nullable=False, comment="kind and name or id"),
        sa.Column("before", sa.Text, comment="JSON; NULL: it did not exist"),
        sa.Column("after", sa.Text, nullable=False, comment="JSON; never a secret"),
        sqlite_autoincrement=True,
    )


def _refuse_changes_of_the_log() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER project_log_no_{verb.lower()} BEFORE {verb} ON project_log "
                "BEGIN SELECT RAISE(ABORT, 'project_log is append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION project_log_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'project_log is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER project_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON project_log "
        "FOR EACH STATEMENT EXECUTE FUNCTION project_log_append_only()"
    )
