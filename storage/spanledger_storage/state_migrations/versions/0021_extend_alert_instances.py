"""Keep of each incident what it was at its worst, for those who read that it is over."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Apply; of incidents that are open the next evaluation is the first that counts."""
    for name, comment in (
        ("worst_value", "of the incident, in the rule's unit"),
        ("worst_usd", "most dollars of the incident"),
    ):
        op.add_column("alert_instances", sa.Column(name, sa.String(64), comment=comment))
