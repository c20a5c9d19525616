"""Let the dashboard's role read tables that came later, where no default privileges let it.

They are given by ``docker-compose.yml`` when it makes the database; one that is older, or was made
by hand, may lack them. Tables to come are granted likewise: no later step has to think of it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"

_IS_READER = sa.text(
    "SELECT count(*) FROM pg_roles"
    " WHERE rolname = 'reader' AND has_table_privilege(oid, 'saved_views', 'SELECT')"
)


def upgrade() -> None:
    """Apply."""
    bind = op.get_bind()
    if bind.dialect.name == "postgresql" and bind.scalar(_IS_READER):
        op.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
        op.execute("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader")
