-- Which tasks of a period cost most?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the start of tasks; silent_before_s:
-- a task without an outcome and without a span since then is abandoned (0: none is); dimension: name of the one that tells owners;
-- agent, version, user, model, owner: values that are let through, empty: all; 
-- state: completed, failed, abandoned; empty: all that ended; page_size: rows, the dearest first.
-- Columns: task_key (the task id, else a trace id), state, outcome, attempts, traces, agent_name,
-- agent_version, user_id, owner, model, started_ms (unix ms), last_trace, dearest_trace
-- (trace ids), dollars of what is priced: inference, tools, gpu, infra, retries (attempts that did not
-- complete it), cost; unpriced_calls, calls_without_usage (not in the dollars). One row per task.
-- What a task is, and its state: in the view tasks_between.
-- Sort key used: (project, toStartOfHour(start_time)) of traces.
SELECT
    task_key,
    state,
    outcome,
    task.attempts AS attempts,
    task.traces AS traces,
    agent_name,
    agent_version,
    user_id,
    owner,
    model,
    toUnixTimestamp64Milli(started) AS started_ms,
    last_trace,
    dearest_trace,
    inference,
    tools,
    gpu,
    infra,
    if(state = 'completed', cost - own.5, 0) AS retries,
    cost,
    unpriced AS unpriced_calls,
    unknown AS calls_without_usage
FROM tasks_between(
    project = {project:String},
    from_s = {from_s:Int64},
    to_s = {to_s:Int64},
    silent_before_s = {silent_before_s:Int64},
    dimension = {dimension:String}
) AS task
WHERE task_key IN
    (
        -- What is told of a task is read for those alone that are shown.
        SELECT task_key
        FROM tasks_between(
            project = {project:String},
            from_s = {from_s:Int64},
            to_s = {to_s:Int64},
            silent_before_s = {silent_before_s:Int64},
            dimension = {dimension:String}
        ) AS task
        WHERE state != ''
            AND ({state:String} = '' OR state = {state:String})
            AND (empty({agent:Array(String)}) OR has({agent:Array(String)}, task.agent_name))
            AND (empty({version:Array(String)}) OR has({version:Array(String)}, task.agent_version))
            AND (empty({user:Array(String)}) OR has({user:Array(String)}, task.user_id))
            AND (empty({model:Array(String)}) OR has({model:Array(String)}, task.model))
            AND (empty({owner:Array(String)}) OR has({owner:Array(String)}, task.owner))
        ORDER BY cost DESC, task_key
        LIMIT {page_size:UInt32}
    )
ORDER BY cost DESC, task_key
LIMIT {page_size:UInt32}
