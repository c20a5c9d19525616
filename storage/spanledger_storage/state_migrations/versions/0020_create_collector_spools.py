"""Create the table of what waits in collectors, told by each to whoever runs apart from it."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "collector_spools",
        sa.Column("spool", sa.String(32), primary_key=True, comment="id that its file holds"),
        sa.Column("requests", sa.BigInteger, nullable=False, comment="accepted, not stored yet"),
        sa.Column("oldest_ns", sa.BigInteger, comment="when the oldest came; NULL: none waits"),
        sa.Column("noted_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    )
