-- In which hours did a deletion remove entries of the ledger, since a moment?
-- Parameters: since_us: UTC microseconds; prefix: how ids of such flushes begin.
-- Result: one row per project and hour: project, hour (UTC start hour, UNIX seconds), newest_us.
-- Relies on the sort key of touches (time).
SELECT
    project,
    toUnixTimestamp(hour) AS hour_s,
    max(toUnixTimestamp64Micro(touched_at)) AS newest_us
FROM touches
WHERE touched_at > fromUnixTimestamp64Micro({since_us:Int64})
    AND startsWith(flush_id, {prefix:String})
GROUP BY project, hour
ORDER BY project, hour
