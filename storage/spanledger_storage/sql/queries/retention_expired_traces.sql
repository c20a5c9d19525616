-- How many traces had their last span before a day?
-- Parameters: projects: names; day: the first UTC day that stays, as YYYYMMDD.
-- Result: one row: traces.
-- Relies on the sort key of trace_hours (project, trace_id, hour); reads it whole for the projects.
SELECT count() AS traces
FROM
(
    SELECT 1
    FROM trace_hours
    WHERE project IN {projects:Array(String)}
    GROUP BY project, trace_id
    HAVING toYYYYMMDD(max(hour)) < {day:UInt32}
)
