-- Which traces match the filters, the newest first, from one place on?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the start; trace_from, trace_to: trace
-- ids, half open, empty: without a bound; after_ns, after_id: the start (unix ns) and id of the row to
-- go on from, below zero: from the newest; filters (empty: not filtered): trace, trajectory, session,
-- user, task, agent (the outermost or any), model, service, environment, workflow, status (open
-- closed), outcome; dimension_names, dimension_values: each name has its value; page_rows.
-- Columns: as in traces, and trajectory_id. One row per trace.
-- Sort key used: (project, toStartOfHour(start_time), trace_id); trajectory_traces (project, trace_id).
WITH page AS
(
    SELECT *, duration_ns
    FROM traces FINAL
    WHERE project = {project:String}
        AND is_deleted = 0
        AND start_time >= toDateTime({from_s:Int64}, 'UTC')
        AND start_time < toDateTime({to_s:Int64}, 'UTC')
        AND ({trace_from:String} = '' OR trace_id >= {trace_from:String})
        AND ({trace_to:String} = '' OR trace_id < {trace_to:String})
        AND (
            {after_ns:Int64} < 0
            OR (toUnixTimestamp64Nano(start_time), trace_id) < ({after_ns:Int64}, {after_id:String})
        )
        AND ({trace:String} = '' OR trace_id = {trace:String})
        AND ({session:String} = '' OR session_id = {session:String})
        AND ({user:String} = '' OR user_id = {user:String})
        AND ({task:String} = '' OR task_id = {task:String})
        AND ({agent:String} = '' OR agent_name = {agent:String} OR has(agents, {agent:String}))
        AND ({model:String} = '' OR has(models, {model:String}))
        AND ({service:String} = '' OR service_name = {service:String})
        AND ({environment:String} = '' OR environment = {environment:String})
        AND ({workflow:String} = '' OR workflow_name = {workflow:String})
        AND ({status:String} = '' OR status = {status:String})
        AND ({outcome:String} = '' OR outcome = {outcome:String})
        AND arrayAll(
            (name, value) -> dimensions[name] = value,
            {dimension_names:Array(String)},
            {dimension_values:Array(String)}
        )
        AND (
            {trajectory:String} = ''
            OR trace_id IN (
                SELECT trace_id
                FROM trajectory_traces FINAL
                WHERE project = {project:String}
                    AND is_deleted = 0
                    AND trajectory_id = {trajectory:String}
            )
            OR trace_id = {trajectory:String} AND trace_id NOT IN (
                SELECT trace_id
                FROM trajectory_traces FINAL
                WHERE project = {project:String}
                    AND is_deleted = 0
                    AND trace_id = {trajectory:String}
            )
        )
    ORDER BY start_time DESC, trace_id DESC
    LIMIT {page_rows:UInt64}
)
SELECT
    page.*,
    if(tied.trajectory_id = '', page.trace_id, tied.trajectory_id) AS trajectory_id
FROM page
LEFT JOIN
(
    SELECT trace_id, trajectory_id
    FROM trajectory_traces FINAL
    WHERE project = {project:String}
        AND is_deleted = 0
        AND trace_id IN (SELECT trace_id FROM page)
) AS tied ON tied.trace_id = page.trace_id
ORDER BY page.start_time DESC, page.trace_id DESC
