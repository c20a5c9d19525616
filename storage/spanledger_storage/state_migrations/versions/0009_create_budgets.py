"""Create the tables of budgets, and let the role of API and dashboard write them.

Both use the role that can only read where the database is PostgreSQL (see 0006).
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_IS_THERE = sa.text("SELECT count(*) FROM pg_roles WHERE rolname = 'reader'")
_TABLES = (
    "budgets",
    "budget_states",
    "budget_reservations",
    "budget_holds",
    "budget_settlements",
    "budget_breaches",
)


def upgrade() -> None:
    """Apply."""
    _create_budgets()
    _create_states()
    _create_reservations()
    _create_settlements()
    _create_breaches()
    bind = op.get_bind()
    if bind.dialect.name == "postgresql" and bind.scalar(_IS_THERE):
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(_TABLES)} TO reader")


def _create_budgets() -> None:
    op.create_table(
        "budgets",
        sa.Column("id", sa.String(16), primary_key=True, comment="hex"),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column(
            "scope",
            sa.String(16),
            nullable=False,
            comment="project team agent session user task model tag",
        ),
        sa.Column("selector", sa.String(512), nullable=False, comment="whose; of a tag: key=value"),
        sa.Column("measure", sa.String(16), nullable=False, comment="usd tokens llm_calls"),
        sa.Column("period", sa.String(16), nullable=False, comment="rolling day week month"),
        sa.Column("rolling_s", sa.BigInteger, comment="seconds; NULL: not rolling"),
        sa.Column("timezone", sa.String(64), nullable=False, comment="IANA name"),
        sa.Column("soft_limit", sa.String(40), comment="decimal text; NULL: none"),
        sa.Column("hard_limit", sa.String(40), comment="decimal text; NULL: none"),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("created_by", sa.String(128), nullable=False),
        sa.Column("changed_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("changed_by", sa.String(128), nullable=False),
        sa.UniqueConstraint("project", "name"),
    )


def _create_states() -> None:
    op.create_table(
        "budget_states",
        sa.Column("budget_id", sa.String(16), primary_key=True),
        sa.Column("window_start_s", sa.BigInteger, nullable=False, comment="unix seconds"),
        sa.Column("ledger_amount", sa.String(40), nullable=False, comment="decimal text"),
        sa.Column("settled_amount", sa.String(40), nullable=False, comment="not in the ledger yet"),
        sa.Column("reserved_amount", sa.String(40), nullable=False, comment="sum of the holds"),
        sa.Column("largest_amount", sa.String(40), nullable=False, comment="of one settled call"),
        sa.Column("refused", sa.BigInteger, nullable=False, comment="requests, in this window"),
        sa.Column("passed", sa.BigInteger, nullable=False, comment="calls nobody was asked about"),
        sa.Column("ledger_as_of_ns", sa.BigInteger, comment="NULL: the ledger was not asked yet"),
        sa.Column("burn_per_hour", sa.String(40), comment="decimal text"),
        sa.Column("forecast_low", sa.String(40), comment="decimal text, at the window's end"),
        sa.Column("forecast_mid", sa.String(40), comment="decimal text"),
        sa.Column("forecast_high", sa.String(40), comment="decimal text"),
        sa.Column("forecast_method", sa.String(16), nullable=False, comment="weekday day burn"),
        sa.Column("exhausts_at_s", sa.BigInteger, comment="unix seconds; NULL: not in the window"),
        sa.Column("exhaustion_ratio", sa.String(40), comment="share of futures over the limit"),
    )


def _create_reservations() -> None:
    op.create_table(
        "budget_reservations",
        sa.Column("id", sa.String(32), primary_key=True, comment="hex"),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("request_key", sa.String(128), nullable=False, comment="a resent request has it"),
        sa.Column("subject", sa.Text, nullable=False, comment="JSON: whose calls"),
        sa.Column("granted", sa.Text, nullable=False, comment="JSON: measure to decimal text"),
        sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("expires_at_ns", sa.BigInteger, nullable=False, index=True),
        sa.UniqueConstraint("project", "request_key"),
    )
    op.create_table(
        "budget_holds",
        sa.Column("reservation_id", sa.String(32), primary_key=True),
        sa.Column("budget_id", sa.String(16), primary_key=True),
        sa.Column("amount", sa.String(40), nullable=False, comment="decimal text; what is left"),
        sa.Column("expires_at_ns", sa.BigInteger, nullable=False),
    )
    op.create_index("budget_holds_expiry", "budget_holds", ["budget_id", "expires_at_ns"])


def _create_settlements() -> None:
    op.create_table(
        "budget_settlements",
        sa.Column("project", sa.String(64), primary_key=True),
        sa.Column("request_key", sa.String(128), primary_key=True),
        sa.Column("budget_id", sa.String(16), primary_key=True),
        sa.Column("amount", sa.String(40), nullable=False, comment="decimal text"),
        sa.Column("at_s", sa.BigInteger, nullable=False, comment="start of the call"),
        sa.Column("arrived_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("span_key", sa.String(64), nullable=False, comment="trace and span id"),
        sa.Column("response_id", sa.String(256), nullable=False),
        sa.Column("is_in_ledger", sa.Boolean, nullable=False, comment="the ledger counts it"),
    )
    op.create_index(
        "budget_settlements_open",
        "budget_settlements",
        ["budget_id", "is_in_ledger", "at_s"],
    )
    op.create_index("budget_settlements_age", "budget_settlements", ["arrived_at_ns"])
    op.create_index(
        "budget_settlements_looked_for",
        "budget_settlements",
        ["project", "is_in_ledger", "arrived_at_ns"],
    )


def _create_breaches() -> None:
    op.create_table(
        "budget_breaches",
        sa.Column("id", sa.String(16), primary_key=True, comment="hex"),
        sa.Column("budget_id", sa.String(16), nullable=False),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("budget_name", sa.String(128), nullable=False),
        sa.Column("level", sa.String(16), nullable=False, comment="soft hard refused"),
        sa.Column("window_start_s", sa.BigInteger, nullable=False, comment="unix seconds"),
        sa.Column("began_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("last_at_ns", sa.BigInteger, nullable=False, comment="last seen to grow"),
        sa.Column("ended_at_ns", sa.BigInteger, comment="NULL: it lasts"),
        sa.Column("limit_amount", sa.String(40), nullable=False, comment="decimal text"),
        sa.Column("peak_amount", sa.String(40), nullable=False, comment="decimal text"),
        sa.Column("count", sa.BigInteger, nullable=False, comment="requests refused"),
    )
    op.create_index("budget_breaches_of", "budget_breaches", ["budget_id", "ended_at_ns"])
