"""The page on reconciliation: the ledger against what providers billed."""
