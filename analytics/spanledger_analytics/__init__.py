"""Ledger, prices, trajectories and usage, derived from stored spans. Knows nothing of OTLP."""
