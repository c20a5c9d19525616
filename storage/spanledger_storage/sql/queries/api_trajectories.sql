-- Which trajectories match the filters, the newest first, from one place on?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the start; trace_from, trace_to: ids,
-- half open, empty: without a bound; after_ns, after_id: the start (unix ns) and id of the row to go on
-- from, below zero: from the newest; now_s: unix; abandoned_after_s: silent for longer than this, one
-- that did not end is abandoned; filters (empty: not filtered): trajectory, trace (one of its traces),
-- session, user, task, agent (the outermost or any), model, service, environment, status (open waiting
-- closed abandoned), outcome; dimension_names, dimension_values: each name has its value; page_rows.
-- Columns: as in trajectories; status may be abandoned, lanes are tuples. One row per trajectory.
-- Sort key used: (project, toStartOfHour(start_time), trajectory_id).
SELECT
    * EXCEPT (status, `lanes.agent_name`, `lanes.calls`, `lanes.first_prompt_tokens`, `lanes.last_prompt_tokens`, `lanes.max_prompt_tokens`, `lanes.tokens_per_call`),
    duration_ns,
    if(
        trajectories.status IN ('open', 'waiting')
            AND end_time < toDateTime({now_s:Int64} - {abandoned_after_s:Int64}, 'UTC'),
        'abandoned',
        toString(trajectories.status)
    ) AS state,
    state AS status,
    arrayMap(
        (agent, calls, first, last, largest, growth) -> CAST(
            (agent, calls, first, last, largest, growth),
            'Tuple(agent_name String, calls UInt32, first_prompt_tokens UInt64, last_prompt_tokens UInt64, max_prompt_tokens UInt64, tokens_per_call Float64)'
        ),
        lanes.agent_name,
        lanes.calls,
        lanes.first_prompt_tokens,
        lanes.last_prompt_tokens,
        lanes.max_prompt_tokens,
        lanes.tokens_per_call
    ) AS lanes
FROM trajectories FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND start_time >= toDateTime({from_s:Int64}, 'UTC')
    AND start_time < toDateTime({to_s:Int64}, 'UTC')
    AND ({trace_from:String} = '' OR trajectory_id >= {trace_from:String})
    AND ({trace_to:String} = '' OR trajectory_id < {trace_to:String})
    AND (
        {after_ns:Int64} < 0
        OR (toUnixTimestamp64Nano(start_time), trajectory_id) < ({after_ns:Int64}, {after_id:String})
    )
    AND ({trajectory:String} = '' OR trajectory_id = {trajectory:String})
    AND ({trace:String} = '' OR has(trace_ids, {trace:String}))
    AND ({session:String} = '' OR session_id = {session:String})
    AND ({user:String} = '' OR user_id = {user:String})
    AND ({task:String} = '' OR task_id = {task:String})
    AND ({agent:String} = '' OR agent_name = {agent:String} OR has(agents, {agent:String}))
    AND ({model:String} = '' OR has(models, {model:String}))
    AND ({service:String} = '' OR service_name = {service:String})
    AND ({environment:String} = '' OR environment = {environment:String})
    AND ({status:String} = '' OR state = {status:String})
    AND ({outcome:String} = '' OR outcome = {outcome:String})
    AND arrayAll(
        (name, value) -> dimensions[name] = value,
        {dimension_names:Array(String)},
        {dimension_values:Array(String)}
    )
ORDER BY start_time DESC, trajectory_id DESC
LIMIT {page_rows:UInt64}
