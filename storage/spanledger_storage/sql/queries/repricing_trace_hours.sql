-- When did the traces start that overlap a period?
-- Parameters: from_ns, to_ns (UTC nanoseconds, half open).
-- Result: one row per project and UTC start hour (UNIX seconds); traces counts replaced and
--   removed versions too; last_hour: the newest hour in which one of them ends. Sorted by project
--   and hour.
-- Relies on no key: reads two columns of all traces that start before to_ns.
SELECT
    project,
    toUnixTimestamp(toStartOfHour(start_time)) AS hour,
    count() AS traces,
    max(toUnixTimestamp(toStartOfHour(end_time))) AS last_hour
FROM traces
WHERE start_time < fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
    AND end_time >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')
GROUP BY project, hour
ORDER BY project, hour
