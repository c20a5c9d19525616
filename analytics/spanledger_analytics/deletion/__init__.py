"""Removes one trace, one session or one user from every table, and proves it."""
