"""Keep what a group has in common: labels of its incidents may change while it is open."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Apply; groups that are open tell theirs when they are next changed."""
    op.add_column("alert_groups", sa.Column("labels", sa.Text, comment="JSON; NULL: not known"))
