"""Runs inside Alembic: applies the revisions on the connection that the caller opened."""

from alembic import context

from spanledger_storage.price_state import rates
from spanledger_storage.project_tables import projects
from spanledger_storage.retention_state import floors

# These modules and state.py declare all tables in one metadata.
assert rates.metadata is projects.metadata is floors.metadata
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=projects.metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
