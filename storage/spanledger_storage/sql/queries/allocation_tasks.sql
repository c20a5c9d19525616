-- How many tasks began and how many were completed, by everything that rules of allocation look at?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the start of tasks; starts: of the
-- stretches in which the same rules hold, unix seconds, ascending; fields: columns that are told
-- apart; dimensions: names of those that are. Of users, sessions and tasks only what patterns tell
-- apart: user_exact, session_exact, task_exact: values; user_prefixes, session_prefixes,
-- task_prefixes: beginnings, the longest first.
-- Columns: since_s (start of the stretch, unix), agent_name, service_name, agent_version,
-- workflow_name, environment, model (the one that cost most), user_id, session_id, task_id (the
-- value where a pattern names it; the beginning and a star; else empty), dimension_values (in the
-- order of dimensions), tasks, completed. One row per combination.
-- A task is the traces of one task id; without an id it is a trace with those that go on with it
-- after a pause. It counts where the first of them began, by what that one tells; others of one id
-- are looked for from a week before the period on, without a limit after it. As in
-- dashboard_cost_tasks.
-- Sort key used: (project, toStartOfHour(start_time)).
SELECT
    roundDown(toUInt32(toUnixTimestamp(task.started)), {starts:Array(UInt32)}) AS since_s,
    agent_name,
    service_name,
    if(has({fields:Array(String)}, 'agent_version'), task.agent_version, '') AS agent_version,
    if(has({fields:Array(String)}, 'workflow_name'), task.workflow_name, '') AS workflow_name,
    if(has({fields:Array(String)}, 'environment'), task.environment, '') AS environment,
    if(has({fields:Array(String)}, 'model'), task.model, '') AS model,
    multiIf(
        not has({fields:Array(String)}, 'user_id'), '',
        has({user_exact:Array(String)}, task.user_id), task.user_id,
        task.user_id != '' AND arrayExists(prefix -> startsWith(task.user_id, prefix), {user_prefixes:Array(String)}),
        concat(arrayFirst(prefix -> startsWith(task.user_id, prefix), {user_prefixes:Array(String)}), '*'),
        ''
    ) AS user_id,
    multiIf(
        not has({fields:Array(String)}, 'session_id'), '',
        has({session_exact:Array(String)}, task.session_id), task.session_id,
        task.session_id != '' AND arrayExists(prefix -> startsWith(task.session_id, prefix), {session_prefixes:Array(String)}),
        concat(arrayFirst(prefix -> startsWith(task.session_id, prefix), {session_prefixes:Array(String)}), '*'),
        ''
    ) AS session_id,
    multiIf(
        not has({fields:Array(String)}, 'task_id'), '',
        has({task_exact:Array(String)}, task.task_id), task.task_id,
        task.task_id != '' AND arrayExists(prefix -> startsWith(task.task_id, prefix), {task_prefixes:Array(String)}),
        concat(arrayFirst(prefix -> startsWith(task.task_id, prefix), {task_prefixes:Array(String)}), '*'),
        ''
    ) AS task_id,
    task.dimension_values AS dimension_values,
    count() AS tasks,
    countIf(task.outcome = 'completed') AS completed
FROM
(
    SELECT
        multiIf(trace.task_id != '', trace.task_id, began_in != '', began_in, trace_id) AS task_key,
        min(start_time) AS started,
        argMaxIf(trace.outcome, end_time, trace.outcome != '') AS outcome,
        argMin(trace.agent_name, start_time) AS agent_name,
        argMin(trace.service_name, start_time) AS service_name,
        argMin(trace.agent_version, start_time) AS agent_version,
        argMin(trace.workflow_name, start_time) AS workflow_name,
        argMin(trace.environment, start_time) AS environment,
        argMin(trace.main_model, start_time) AS model,
        argMin(trace.user_id, start_time) AS user_id,
        argMin(trace.session_id, start_time) AS session_id,
        any(trace.task_id) AS task_id,
        argMin(arrayMap(name -> trace.dimensions[name], {dimensions:Array(String)}), start_time) AS dimension_values
    FROM traces AS trace FINAL
    WHERE project = {project:String}
        AND is_deleted = 0
        AND start_time >= toDateTime({from_s:Int64} - 604800, 'UTC')
        AND (start_time < toDateTime({to_s:Int64}, 'UTC') OR trace.task_id != '' OR began_in != '')
    GROUP BY task_key
    HAVING started >= toDateTime({from_s:Int64}, 'UTC') AND started < toDateTime({to_s:Int64}, 'UTC')
) AS task
GROUP BY
    since_s, agent_name, service_name, agent_version, workflow_name, environment, model, user_id, session_id,
    task_id, dimension_values
SETTINGS do_not_merge_across_partitions_select_final = 1
