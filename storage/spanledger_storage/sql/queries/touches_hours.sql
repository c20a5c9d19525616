-- In which hours did these flushes change spans or metrics?
-- Parameters: since_us (UTC microseconds, inclusive; no flush is older), flush_ids.
-- Result: one row per project and UTC start hour (UNIX seconds).
-- Relies on the sort key of touches (touched_at, flush_id).
SELECT DISTINCT project, toUnixTimestamp(hour) AS hour
FROM touches
WHERE touched_at >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
    AND flush_id IN {flush_ids:Array(String)}
ORDER BY project, hour
