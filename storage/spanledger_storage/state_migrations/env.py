"""Runs inside Alembic: applies the revisions on the connection that the caller opened."""

from alembic import context

from spanledger_storage.price_state import rates

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=rates.metadata,  # of all tables: state.py and price_state.py share it
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
