"""The list of traces and its filters."""
