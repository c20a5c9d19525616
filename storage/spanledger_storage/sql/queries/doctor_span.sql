-- Is a span of this trace stored? Parameters: trace_id. Result: found (0 or 1), one row.
-- Relies on trace_hours (project, trace_id, hour), which names the hours to look in.
SELECT count() > 0 AS found
FROM spans
WHERE project = 'default'
    AND toStartOfHour(start_time) IN
    (
        SELECT hour
        FROM trace_hours
        WHERE project = 'default' AND trace_id = {trace_id:String}
    )
    AND trace_id = {trace_id:String}
