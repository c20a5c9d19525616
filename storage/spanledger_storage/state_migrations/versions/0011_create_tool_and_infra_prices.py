"""Create the price list of tools, and what infrastructure costs per hour."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "tool_prices",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("project", sa.String(64), nullable=False, comment="empty: any"),
        sa.Column("server", sa.String(128), nullable=False, comment="of MCP; empty: any"),
        sa.Column("tool", sa.String(256), nullable=False, comment="a name, or a prefix with *"),
        sa.Column("price_usd", sa.String(40), nullable=False, comment="decimal text"),
        sa.Column("basis", sa.String(16), nullable=False, comment="call unit second"),
        sa.Column("unit_attribute", sa.String(128), nullable=False, comment="holds the quantity"),
        sa.Column("per", sa.BigInteger, nullable=False, comment="units or seconds"),
        sa.Column("bills_errors", sa.Boolean, nullable=False, comment="failed calls cost, too"),
        *_period(),
    )
    op.create_table(
        "infra_prices",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("service_name", sa.String(256), nullable=False),
        sa.Column("usd_per_hour", sa.String(40), nullable=False, comment="decimal text"),
        *_period(),
    )


def _period() -> list[sa.Column[object]]:
    return [
        sa.Column("effective_from_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("effective_to_ns", sa.BigInteger, comment="first instant it no longer holds"),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("withdrawn_at_ns", sa.BigInteger, comment="since then it prices nothing"),
    ]
