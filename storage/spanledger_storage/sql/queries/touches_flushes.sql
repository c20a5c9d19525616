-- Which flushes did the collector announce since a moment?
-- Parameters: since_us (UTC microseconds, inclusive), max_flushes.
-- Result: one row per flush, oldest first; touched_us in UTC microseconds, traces: how many
--   traces it touched.
-- Relies on the sort key of touches (touched_at, flush_id).
SELECT
    flush_id,
    toUnixTimestamp64Micro(max(touched_at)) AS touched_us,
    uniqExact(project, trace_id) AS traces
FROM touches
WHERE touched_at >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
GROUP BY flush_id
ORDER BY touched_us, flush_id
LIMIT {max_flushes:UInt32}
