-- Which traces did these flushes touch, and in which hours did they change spans or metrics?
-- Parameters: since_us (UTC microseconds, inclusive; no flush is older), flush_ids.
-- Result: one row per project, trace and UTC start hour (UNIX seconds); trace_id is empty for an hour
--   in which metrics changed, which have no trace.
-- Relies on the sort key of touches (touched_at, flush_id).
SELECT DISTINCT project, trace_id, toUnixTimestamp(hour) AS hour
FROM touches
WHERE touched_at >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
    AND flush_id IN {flush_ids:Array(String)}
