-- Which traces did these flushes touch, and in which hours did they change spans or metrics?
-- Parameters: since_us (UTC microseconds, inclusive; no flush is older), flush_ids.
-- Result: one row per project, trace and UTC start hour (UNIX seconds); trace_id is empty for an hour
--   in which metrics changed, which have no trace; has_root: 0: of the trace in this hour, only spans
--   with a parent came.
-- Relies on the sort key of touches (touched_at, flush_id).
SELECT project, trace_id, toUnixTimestamp(hour) AS hour, max(has_root) AS has_root
FROM touches
WHERE touched_at >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
    AND flush_id IN {flush_ids:Array(String)}
GROUP BY project, trace_id, hour
