"""Create the tables for own rates, contracts, exchange rates, and the log of their changes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply."""
    _create_rates()
    _create_contracts()
    _create_exchange_rates()
    _create_log()
    op.create_table(
        "price_revision",
        sa.Column("id", sa.Integer, primary_key=True, comment="always 1"),
        sa.Column("revision", sa.BigInteger, nullable=False, comment="grows with every change"),
    )
    op.execute("INSERT INTO price_revision (id, revision) VALUES (1, 0)")
    _refuse_changes_of_the_log()


def _create_rates() -> None:
    op.create_table(
        "price_rates",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("provider", sa.String(128), nullable=False, comment="empty: any"),
        sa.Column("model", sa.String(256), nullable=False, comment="a name, or a prefix with *"),
        sa.Column("token_class", sa.String(32), nullable=False),
        sa.Column("price", sa.String(40), nullable=False, comment="decimal text, never rounded"),
        sa.Column("per", sa.BigInteger, nullable=False, comment="tokens or pieces"),
        sa.Column("currency", sa.String(3), nullable=False, comment="ISO 4217"),
        sa.Column("service_tier", sa.String(64), nullable=False),
        sa.Column("region", sa.String(64), nullable=False, comment="empty: any"),
        sa.Column("above_tokens", sa.BigInteger, nullable=False, comment="0: all requests"),
        sa.Column("effective_from_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("effective_to_ns", sa.BigInteger, comment="first instant it no longer holds"),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("withdrawn_at_ns", sa.BigInteger, comment="since then it prices nothing"),
        sqlite_autoincrement=True,
    )


def _create_contracts() -> None:
    op.create_table(
        "price_contracts",
        sa.Column("id", sa.String(64), primary_key=True, comment="as in ledger.contract_id"),
        sa.Column("provider", sa.String(128), nullable=False),
        sa.Column("model", sa.String(256), nullable=False, comment="empty: every model"),
        sa.Column("multiplier", sa.String(40), nullable=False, comment="decimal text"),
        sa.Column("commitment_usd", sa.String(40), comment="decimal text; NULL: none"),
        sa.Column("effective_from_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("effective_to_ns", sa.BigInteger, comment="first instant it no longer holds"),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("withdrawn_at_ns", sa.BigInteger, comment="since then it prices nothing"),
    )


def _create_exchange_rates() -> None:
    op.create_table(
        "price_exchange_rates",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("currency", sa.String(3), nullable=False, comment="ISO 4217"),
        sa.Column("usd", sa.String(40), nullable=False, comment="decimal text; for one unit"),
        sa.Column("effective_from_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("note", sa.Text, nullable=False, comment="where the rate is from"),
        sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("withdrawn_at_ns", sa.BigInteger, comment="since then it prices nothing"),
        sqlite_autoincrement=True,
    )


def _create_log() -> None:
    op.create_table(
        "price_log",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("revision", sa.BigInteger, nullable=False, comment="of the change it is part of"),
        sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("who", sa.String(128), nullable=False),
        sa.Column("action", sa.String(32), nullable=False, comment="add close withdraw"),
        sa.Column("object", sa.String(96), nullable=False, comment="kind and id"),
        sa.Column("before", sa.Text, comment="JSON; NULL: it did not exist"),
        sa.Column("after", sa.Text, nullable=False, comment="JSON"),
        sqlite_autoincrement=True,
    )


def _refuse_changes_of_the_log() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER price_log_no_{verb.lower()} BEFORE {verb} ON price_log "
                "BEGIN SELECT RAISE(ABORT, 'price_log is append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION price_log_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'price_log is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER price_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON price_log "
        "FOR EACH STATEMENT EXECUTE FUNCTION price_log_append_only()"
    )
