"""The HTTP API for programs: it reads, and writes budgets alone."""
