"""The ledger in the shape of FOCUS, the FinOps open cost and usage specification, version 1.4."""
