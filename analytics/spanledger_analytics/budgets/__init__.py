"""Budgets: what the ledger says they spent, how fast, and where that leads."""
