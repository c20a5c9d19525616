"""The reconciliation report: what it says, and as which files."""
