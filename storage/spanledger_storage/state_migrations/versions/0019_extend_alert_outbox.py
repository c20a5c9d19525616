"""Let people have notifications tried again that a channel refused."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

_IS_READER = sa.text(
    "SELECT count(*) FROM pg_roles"
    " WHERE rolname = 'reader' AND has_table_privilege(oid, 'alert_outbox', 'SELECT')"
)
_CHANGED = "status, not_before_ns, claimed_until_ns, retried_at_ns, ended_at_ns"
_STATUSES = "waiting sending sent dead expired merged dropped"


def upgrade() -> None:
    """Apply; the dashboard's role may put back what was refused, and change no message."""
    comment = "when somebody had it tried again, UTC nanoseconds"
    op.add_column("alert_outbox", sa.Column("retried_at_ns", sa.BigInteger, comment=comment))
    bind = op.get_bind()
    if bind.dialect.name != "postgresql":
        return
    op.execute(f"COMMENT ON COLUMN alert_outbox.status IS '{_STATUSES}'")
    if bind.scalar(_IS_READER):
        op.execute(f"GRANT UPDATE ({_CHANGED}) ON alert_outbox TO reader")
