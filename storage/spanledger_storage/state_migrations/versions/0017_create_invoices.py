"""Create the tables of invoices: imports, mappings, pulls, and files that wait for the worker."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

_IS_READER = sa.text(
    "SELECT count(*) FROM pg_roles"
    " WHERE rolname = 'reader' AND has_table_privilege(oid, 'invoice_imports', 'SELECT')"
)


def upgrade() -> None:
    """Apply; the dashboard's role, which can only read, may map lines and hand in files."""
    op.create_table(
        "invoice_imports",
        sa.Column("import_id", sa.String(32), primary_key=True),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("format", sa.String(64), nullable=False),
        sa.Column("provider", sa.String(255), nullable=False, comment="several: by commas"),
        sa.Column("name", sa.Text, nullable=False, comment="file, address, or what was pulled"),
        sa.Column("sha256", sa.String(64), nullable=False, comment="of what was read"),
        sa.Column("who", sa.String(128), nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("fetched_at_ns", sa.BigInteger, nullable=False, comment="of what it is as of"),
        sa.Column("line_count", sa.BigInteger, nullable=False),
        sa.Column("skipped_count", sa.BigInteger, nullable=False, comment="of other services"),
        sa.Column("unmapped_count", sa.BigInteger, nullable=False),
        sa.Column("unconverted_count", sa.BigInteger, nullable=False, comment="no exchange rate"),
        sa.Column("amounts", sa.Text, nullable=False, comment="JSON: decimal text by currency"),
        sa.Column("days", sa.Text, nullable=False, comment="JSON: source: day: 1 when final"),
        sa.Column("mapping", sa.Text, nullable=False, comment="of a generic file, as it was given"),
        sa.Column("deleted_by", sa.String(128), nullable=False),
        sa.Column("deleted_at_ns", sa.BigInteger, comment="since then no day counts it"),
    )
    op.create_index("invoice_imports_of_project", "invoice_imports", ["project", "at_ns"])
    op.create_table(
        "invoice_mappings",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False, comment="line scope api_key"),
        sa.Column("provider", sa.String(128), nullable=False),
        sa.Column("pattern", sa.Text, nullable=False, comment="text, meter id, scope or key"),
        sa.Column("target", sa.Text, nullable=False, comment="JSON: what it is mapped to"),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("created_by", sa.String(128), nullable=False),
        sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("removed_by", sa.String(128), nullable=False),
        sa.Column("removed_at_ns", sa.BigInteger, comment="since then it maps nothing"),
        sqlite_autoincrement=True,
    )
    op.create_index("invoice_mappings_of_project", "invoice_mappings", ["project", "kind"])
    op.create_table(
        "invoice_pulls",
        sa.Column("project", sa.String(64), primary_key=True),
        sa.Column("report", sa.String(64), primary_key=True),
        sa.Column("last_try_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("last_success_ns", sa.BigInteger, comment="NULL: it never succeeded"),
        sa.Column("next_try_ns", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False, comment="in a row"),
        sa.Column("error", sa.Text, nullable=False, comment="of the last try; empty: none"),
        sa.Column("resume_day", sa.String(10), nullable=False, comment="first day not yet pulled"),
    )
    op.create_table(
        "invoice_uploads",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("options", sa.Text, nullable=False, comment="JSON: format, account, mapping"),
        sa.Column("content", sa.LargeBinary, nullable=False, comment="empty once it was read"),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("who", sa.String(128), nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("state", sa.String(16), nullable=False, comment="waiting done failed"),
        sa.Column("outcome", sa.Text, nullable=False, comment="what became of it"),
    )
    op.create_index("invoice_uploads_of_project", "invoice_uploads", ["project", "at_ns"])
    bind = op.get_bind()
    if bind.dialect.name == "postgresql" and bind.scalar(_IS_READER):
        op.execute("GRANT INSERT, UPDATE ON invoice_mappings TO reader")
        op.execute("GRANT USAGE ON SEQUENCE invoice_mappings_id_seq TO reader")
        op.execute("GRANT INSERT ON invoice_uploads TO reader")
