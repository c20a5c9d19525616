"""Create the table of what GPUs cost."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "gpu_prices",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("project", sa.String(128), nullable=False, comment="empty: every project"),
        sa.Column("gpu_model", sa.String(128), nullable=False, comment="or a prefix with *"),
        sa.Column("host", sa.String(256), nullable=False, comment="empty: any"),
        sa.Column("gpu", sa.String(128), nullable=False, comment="UUID; empty: any"),
        sa.Column("terms", sa.String(16), nullable=False, comment="rented spot owned"),
        sa.Column("usd_per_hour", sa.String(40), nullable=False, comment="decimal text"),
        sa.Column("purchase_usd", sa.String(40), comment="decimal text; of an owned GPU"),
        sa.Column("amortization_years", sa.String(40), comment="decimal text"),
        sa.Column("usd_per_kwh", sa.String(40), comment="decimal text; NULL: energy is included"),
        sa.Column("pue", sa.String(40), comment="decimal text; facility energy per GPU energy"),
        sa.Column("mig_slices", sa.String(16), nullable=False, comment="compute memory"),
        sa.Column("effective_from_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("effective_to_ns", sa.BigInteger, comment="first instant it no longer holds"),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("withdrawn_at_ns", sa.BigInteger, comment="since then it prices nothing"),
        sqlite_autoincrement=True,
    )
