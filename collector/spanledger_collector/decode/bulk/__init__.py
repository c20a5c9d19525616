"""Ordinary spans of a batch read all at once, column by column.

The row-by-row reader in ``decode.py`` is the definition; this package gives the same rows for the
spans whose reading is a matter of tables alone, and leaves every other span to it.
"""
