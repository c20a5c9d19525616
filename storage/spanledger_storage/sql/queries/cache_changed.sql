-- Which entries of LLM calls changed since a version of the ledger?
-- Parameters: since: version (ns) up to which everything was handled; max_rows: stop after as many,
--   but never between rows of one version.
-- Result: one row per written version, tombstones included, in order of version; hour is the UTC
--   start hour of the entry, UNIX seconds, and start_ns its start, UTC nanoseconds.
-- Relies on the index of versions of ledger.
SELECT
    project,
    entry_id,
    trace_id,
    toUnixTimestamp(toStartOfHour(time)) AS hour,
    toUnixTimestamp64Nano(time) AS start_ns,
    version
FROM ledger
WHERE version > {since:UInt64} AND kind = 'llm'
ORDER BY version
LIMIT {max_rows:UInt64} WITH TIES
