"""Runs inside Alembic: applies the revisions on the connection that the caller opened."""

from alembic import context

from spanledger_storage import (
    accounts,
    alert_rules,
    alert_tables,
    allocation_rules,
    budget_tables,
    collector_spools,
    finding_state,
    gpu_price_state,
    invoice_tables,
    price_state,
    project_tables,
    reconciliation_state,
    retention_state,
    saved_views,
    service_price_rows,
)
from spanledger_storage.state import metadata

# These modules and state.py declare all tables in one metadata.
DECLARED = (
    accounts.accounts,
    alert_rules.rule_log,
    alert_tables.leases,
    allocation_rules.rules,
    budget_tables.budgets,
    collector_spools.spools,
    finding_state.states,
    gpu_price_state.gpu_prices,
    invoice_tables.imports,
    price_state.rates,
    project_tables.projects,
    reconciliation_state.actions,
    retention_state.floors,
    saved_views.saved_views,
    service_price_rows.tool_prices,
)
assert all(table.metadata is metadata for table in DECLARED)
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
