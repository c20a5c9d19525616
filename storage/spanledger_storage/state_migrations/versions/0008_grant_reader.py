"""Let the dashboard's role read, where it was made after the tables.

Default privileges, by which it reads otherwise, are for tables that come later.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_IS_THERE = sa.text("SELECT count(*) FROM pg_roles WHERE rolname = 'reader'")


def upgrade() -> None:
    """Apply."""
    bind = op.get_bind()
    if bind.dialect.name == "postgresql" and bind.scalar(_IS_THERE):
        op.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
        op.execute("GRANT INSERT, UPDATE, DELETE ON saved_views TO reader")
