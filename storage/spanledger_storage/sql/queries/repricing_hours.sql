-- Which hours of a period hold ledger entries, and about how many?
-- Parameters: from_ns, to_ns (UTC nanoseconds, half open); is_narrowed (1: only these names),
--   providers, models, request_models (three lists of one length).
-- Result: one row per project and UTC start hour (UNIX seconds); entries counts replaced and
--   removed versions too. Sorted by project and hour.
-- Relies on the partitions of ledger (month of time).
SELECT project, toUnixTimestamp(toStartOfHour(time)) AS hour, count() AS entries
FROM ledger
WHERE time >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')
    AND time < fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
    AND kind IN ('llm', 'embedding')
    AND (
        {is_narrowed:UInt8} = 0
        OR (provider, model, request_model) IN (
            SELECT name.1, name.2, name.3
            FROM
            (
                SELECT arrayJoin(
                    arrayZip(
                        {providers:Array(String)},
                        {models:Array(String)},
                        {request_models:Array(String)}
                    )
                ) AS name
            )
        )
    )
GROUP BY project, hour
ORDER BY project, hour
