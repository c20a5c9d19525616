"""The pages on invoices and mappings: what was imported, what is missing, what waits."""
