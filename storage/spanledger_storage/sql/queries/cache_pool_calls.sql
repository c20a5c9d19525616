-- Which are the newest calls of a pool?
-- Parameters: project; pool; from_s and to_s: unix seconds, the second one excluded; calls: how
--   many.
-- Result: one row per call: entry_id, trace_id, hour (UTC start hour, UNIX seconds).
-- Relies on the sort key of cache_calls (project, start hour, ...).
SELECT
    entry_id,
    trace_id,
    toUnixTimestamp(toStartOfHour(time)) AS hour
FROM cache_calls FINAL
WHERE project = {project:String}
    AND toStartOfHour(time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
    AND time >= toDateTime({from_s:Int64}, 'UTC')
    AND time < toDateTime({to_s:Int64}, 'UTC')
    AND pool = {pool:UInt64}
    AND segments > 0
    AND is_deleted = 0
ORDER BY time DESC, entry_id
LIMIT {calls:UInt32}
