-- Which openers of some pools lie just before, within and just after some times?
-- Parameters: project; first_ns and last_ns: of all that is asked; hour_from_s and hour_to_s: the hours in
--   which that lies, UTC start hours in UNIX seconds; back_ns and ahead_ns: how far before and after;
--   calls: at most as many before, and after.
-- Table: asked (pool UInt64, from_ns Int64, to_ns Int64): pools, and the first and last time (UTC
--   nanoseconds) within each.
-- Result: one row per opener, all columns; place is -1 before, 0 within, 1 after.
-- Relies on the sort key of cache_calls (project, start hour, lane, ...). What comes before FINAL may
--   only ask for columns of that key: so whatever was an opener names its lane, and only those rows
--   are merged.
WITH
    found AS (
        SELECT
            calls.*,
            multiIf(time_ns < asked.from_ns, -1, time_ns > asked.to_ns, 1, 0) AS place
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
                        AND pool IN (SELECT pool FROM asked)
                        AND is_opener = 1
                        AND toUnixTimestamp64Nano(time) >= {first_ns:Int64} - {back_ns:Int64}
                        AND toUnixTimestamp64Nano(time) <= {last_ns:Int64} + {ahead_ns:Int64}
                )
            WHERE toStartOfHour(time) >= toDateTime({hour_from_s:UInt32}, 'UTC')
                AND toStartOfHour(time) <= toDateTime({hour_to_s:UInt32}, 'UTC')
                AND pool IN (SELECT pool FROM asked)
                AND is_opener = 1
                AND is_deleted = 0
        ) AS calls
        INNER JOIN asked ON calls.pool = asked.pool
        WHERE time_ns >= asked.from_ns - {back_ns:Int64}
            AND time_ns <= asked.to_ns + {ahead_ns:Int64}
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
