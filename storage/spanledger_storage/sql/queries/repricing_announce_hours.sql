-- Announce to the jobs the hours of a period whose ledger entries are newer than their usage.
-- Parameters: from_ns, to_ns (UTC nanoseconds, half open); flush_id.
-- Result: none; one touch without a trace per project and hour.
-- Relies on the partitions of ledger and usage_hourly (month).
INSERT INTO touches (project, trace_id, hour, flush_id, spans)
SELECT l.project, '', l.hour, {flush_id:String}, 0
FROM
(
    SELECT project, toStartOfHour(time) AS hour, max(version) AS newest
    FROM ledger
    WHERE time >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')
        AND time < fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
    GROUP BY project, hour
) AS l
LEFT JOIN
(
    SELECT project, hour, max(version) AS newest
    FROM usage_hourly
    WHERE hour >= toStartOfHour(fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC'))
        AND hour <= toStartOfHour(fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC'))
    GROUP BY project, hour
) AS u ON l.project = u.project AND l.hour = u.hour
WHERE l.newest > u.newest
