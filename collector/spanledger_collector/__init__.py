"""OTLP intake: receive, spool, decode, normalise, store. Knows nothing of prices."""
