"""The ledger against what providers billed: every difference, its causes, its evidence."""
