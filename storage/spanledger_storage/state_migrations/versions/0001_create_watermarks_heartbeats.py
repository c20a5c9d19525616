"""Create the tables for job positions and signs of life."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "watermarks",
        sa.Column("job", sa.String(64), primary_key=True, comment="name of the job"),
        sa.Column(
            "position", sa.BigInteger, nullable=False, comment="how far it got; its own unit"
        ),
    )
    op.create_table(
        "heartbeats",
        sa.Column("role", sa.String(32), primary_key=True, comment="collector, worker"),
        sa.Column("instance", sa.String(64), primary_key=True, comment="host and process id"),
        sa.Column("beat_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    )
