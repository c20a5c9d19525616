"""From the spool into the store, and what becomes of requests that cannot be stored."""
