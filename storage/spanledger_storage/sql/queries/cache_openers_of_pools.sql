-- Which openers of some pools lie just before, within and just after some times?
-- Parameters: project; pools, from_ns and to_ns: three lists of one length: triple i is a pool and
--   the first and last time (UTC nanoseconds) within it; hour_from_s and hour_to_s: bounds of all
--   of it, UTC start hours in UNIX seconds; back_ns and ahead_ns: how far before and after; calls: at
--   most as many before, and after.
-- Result: one row per opener, all columns; place is -1 before, 0 within, 1 after.
-- Relies on the sort key of cache_calls (project, start hour, lane, ...). What comes before FINAL may
--   only ask for columns of that key: so whatever was an opener names its lane, and only those rows
--   are merged.
WITH
    asked AS (
        SELECT one.1 AS pool, one.2 AS first_ns, one.3 AS last_ns
        FROM (
            SELECT arrayJoin(arrayZip(
                {pools:Array(UInt64)}, {from_ns:Array(Int64)}, {to_ns:Array(Int64)}
            )) AS one
        )
    ),
    found AS (
        SELECT
            calls.*,
            multiIf(time_ns < asked.first_ns, -1, time_ns > asked.last_ns, 1, 0) AS place
        FROM (
            SELECT
                * EXCEPT (time, is_deleted),
                toUnixTimestamp64Nano(time) AS time_ns
            FROM cache_calls FINAL
            PREWHERE project = {project:String}
                AND lane IN (
                    SELECT lane
                    FROM cache_calls
                    WHERE project = {project:String}
                        AND toStartOfHour(time) >= toDateTime({hour_from_s:UInt32}, 'UTC')
                        AND toStartOfHour(time) <= toDateTime({hour_to_s:UInt32}, 'UTC')
                        AND pool IN {pools:Array(UInt64)}
                        AND is_opener = 1
                        AND toUnixTimestamp64Nano(time)
                            >= arrayMin({from_ns:Array(Int64)}) - {back_ns:Int64}
                        AND toUnixTimestamp64Nano(time)
                            <= arrayMax({to_ns:Array(Int64)}) + {ahead_ns:Int64}
                )
            WHERE toStartOfHour(time) >= toDateTime({hour_from_s:UInt32}, 'UTC')
                AND toStartOfHour(time) <= toDateTime({hour_to_s:UInt32}, 'UTC')
                AND pool IN {pools:Array(UInt64)}
                AND is_opener = 1
                AND is_deleted = 0
        ) AS calls
        INNER JOIN asked ON calls.pool = asked.pool
        WHERE time_ns >= asked.first_ns - {back_ns:Int64}
            AND time_ns <= asked.last_ns + {ahead_ns:Int64}
    )
SELECT *
FROM (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY pool, place
            ORDER BY
                if(place = -1, -time_ns, time_ns),
                if(place = -1, entry_id, '') DESC,
                entry_id
        ) AS number
    FROM found
)
WHERE number <= if(place = 0, 4294967295, {calls:UInt32})
