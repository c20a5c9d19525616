"""Create the table of the accounts of the dashboard."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "accounts",
        sa.Column(
            "name", sa.String(80), primary_key=True, comment="lower case; or an e-mail address"
        ),
        sa.Column("role", sa.String(16), nullable=False, comment="viewer editor admin"),
        sa.Column("projects", sa.Text, comment="JSON list of names; NULL: every project"),
        sa.Column("password", sa.String(256), comment="scrypt, parameters and salt; NULL: none"),
        sa.Column("stamp", sa.String(32), nullable=False, comment="its sessions carry it"),
        sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("created_by", sa.String(128), nullable=False),
    )
