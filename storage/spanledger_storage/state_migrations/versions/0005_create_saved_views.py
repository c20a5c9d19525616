"""Create the table of what people save in the dashboard."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "saved_views",
        sa.Column("kind", sa.String(16), primary_key=True, comment="traces cost sql golden"),
        sa.Column("project", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("content", sa.Text, nullable=False, comment="JSON object; its kind knows it"),
        sa.Column("saved_by", sa.String(128), nullable=False),
        sa.Column("saved_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    )
