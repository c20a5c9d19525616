-- Which traces did these flushes touch?
-- Parameters: since_us (UTC microseconds, inclusive; no flush is older), flush_ids.
-- Result: one row per project and trace.
-- Relies on the sort key of touches (touched_at, flush_id).
SELECT DISTINCT project, trace_id
FROM touches
WHERE touched_at >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
    AND flush_id IN {flush_ids:Array(String)}
    AND trace_id != ''  -- that is how metrics are noted, which have none
ORDER BY project, trace_id
