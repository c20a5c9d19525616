"""Note what an incident cost when it ended: the next one of its instance has figures of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Apply."""
    comment = "of an end: most dollars of the incident"
    op.add_column("alert_timeline", sa.Column("usd", sa.String(64), comment=comment))
