"""Removes what is past the days for which its project keeps it."""
