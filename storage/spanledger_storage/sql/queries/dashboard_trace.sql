-- What is known of one trace as a whole?
-- Parameters: project; trace_id; hours_s: unix seconds, from dashboard_trace_hours.
-- Columns: name, status (open closed), outcome, agent_name, agents, session_id, user_id, task_id,
-- service_name, environment, version (another one after every change). No row while the jobs have
-- not seen the trace yet.
-- Sort key used: (project, toStartOfHour(start_time), trace_id).
SELECT
    name,
    status,
    outcome,
    agent_name,
    agents,
    session_id,
    user_id,
    task_id,
    service_name,
    environment,
    version
FROM traces FINAL
WHERE project = {project:String}
    AND toStartOfHour(start_time) IN (SELECT toDateTime(arrayJoin({hours_s:Array(UInt32)}), 'UTC'))
    AND trace_id = {trace_id:String}
    AND is_deleted = 0
LIMIT 1
