-- Which calls of some lanes lie just before, within and just after some times?
-- Parameters: project; hour_from_s and hour_to_s: bounds of all that is asked, UTC start hours in UNIX
--   seconds; back_ns and ahead_ns: how far before and after; before and after: at most as many calls.
-- Table: asked (lane UInt64, from_ns Int64, to_ns Int64): lanes, and the first and last time (UTC
--   nanoseconds) within each.
-- Result: one row per call, all columns; place is -1 before, 0 within, 1 after.
-- Relies on the sort key of cache_calls (project, start hour, lane, time, entry_id).
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
            PREWHERE project = {project:String} AND lane IN (SELECT lane FROM asked)
            WHERE is_deleted = 0
                AND toStartOfHour(time) >= toDateTime({hour_from_s:UInt32}, 'UTC')
                AND toStartOfHour(time) <= toDateTime({hour_to_s:UInt32}, 'UTC')
        ) AS calls
        INNER JOIN asked ON calls.lane = asked.lane
        WHERE time_ns >= asked.from_ns - {back_ns:Int64}
            AND time_ns <= asked.to_ns + {ahead_ns:Int64}
    )
SELECT *
FROM (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY lane, place
            ORDER BY
                if(place = -1, -time_ns, time_ns),
                if(place = -1, entry_id, '') DESC,
                entry_id
        ) AS number
    FROM found
)
WHERE number <= multiIf(place = -1, {before:UInt32}, place = 1, {after:UInt32}, 4294967295)
