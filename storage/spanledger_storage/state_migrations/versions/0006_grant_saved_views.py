"""Let the dashboard's role, which can only read, write what people save.

The role is made before this database has any table, and reads through default privileges, which
cannot name one table. Elsewhere the dashboard's role has another name or is the owner: nothing is
granted then.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_IS_READER = sa.text(
    "SELECT count(*) FROM pg_roles"
    " WHERE rolname = 'reader' AND has_table_privilege(oid, 'saved_views', 'SELECT')"
)


def upgrade() -> None:
    """Apply."""
    bind = op.get_bind()
    if bind.dialect.name == "postgresql" and bind.scalar(_IS_READER):
        op.execute("GRANT INSERT, UPDATE, DELETE ON saved_views TO reader")
