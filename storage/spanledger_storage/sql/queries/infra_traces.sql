-- Whom are these traces for?
-- Parameters: project; trace_ids; hour (UTC start hour, UNIX seconds) in which they were at work.
-- Result: one row per trace that began in that hour or in the week before.
-- Relies on the sort key of traces (project, start hour, trace_id).
SELECT
    trace_id,
    environment,
    agent_name,
    agent_version,
    workflow_name,
    session_id,
    user_id,
    task_id,
    dimensions
FROM traces FINAL
WHERE project = {project:String}
    AND toStartOfHour(start_time) >= toDateTime({hour:Int64} - 604800, 'UTC')
    AND toStartOfHour(start_time) <= toDateTime({hour:Int64}, 'UTC')
    AND trace_id IN {trace_ids:Array(String)}
    AND is_deleted = 0
