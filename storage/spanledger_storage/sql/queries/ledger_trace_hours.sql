-- In which hours do these traces have spans?
-- Parameters: project, trace_ids.
-- Result: one row per trace and hour; hour is a UTC start hour in UNIX seconds.
-- Relies on the sort key of trace_hours (project, trace_id, hour).
SELECT DISTINCT trace_id, toUnixTimestamp(hour) AS hour
FROM trace_hours
WHERE project = {project:String} AND trace_id IN {trace_ids:Array(String)}
