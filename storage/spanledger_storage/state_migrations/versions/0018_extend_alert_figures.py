"""Count what the engine of alerts did, so that it can be watched."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Apply; of what was before, nothing is counted."""
    for name, comment in (
        ("evaluations", "ever"),
        ("failures", "evaluations that failed, ever"),
        ("spent_ns", "time of all evaluations"),
    ):
        column = sa.Column(name, sa.BigInteger, nullable=False, server_default="0", comment=comment)
        op.add_column("alert_rule_states", column)
    op.create_table(
        "alert_figures",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("of", sa.String(64), primary_key=True, comment="channel, or empty"),
        sa.Column("outcome", sa.String(16), primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False, comment="a count, or UTC nanoseconds"),
    )
