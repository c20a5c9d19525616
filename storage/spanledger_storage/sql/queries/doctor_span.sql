-- Is a span of this trace stored, in whichever project? Parameters: trace_id. Result: found (0 or 1),
-- one row.
-- Relies on trace_hours (project, trace_id, hour), which names the hours to look in.
SELECT count() > 0 AS found
FROM spans
WHERE toStartOfHour(start_time) IN
    (
        SELECT hour
        FROM trace_hours
        WHERE trace_id = {trace_id:String}
    )
    AND trace_id = {trace_id:String}
