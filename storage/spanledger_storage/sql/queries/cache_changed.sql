-- Which entries of LLM calls were written with these versions?
-- Parameters: versions (ns).
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
WHERE version IN {versions:Array(UInt64)} AND kind = 'llm'
ORDER BY version
