"""Spending that is not as it was: found in minutes, priced, and taken apart into causes."""
