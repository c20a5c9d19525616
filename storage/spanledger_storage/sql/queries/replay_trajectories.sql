-- Which trajectories are to be compared with a golden one, and what do they add up to?
-- Parameters: project; ids: trajectories or traces of theirs, empty: any; task, session: empty: any;
--   by, by_value, dimension, dimension_value: two dimensions and their values, empty: any; from_s, to_s: unix seconds, half open, of the start;
--   most: how many.
-- Columns: trajectory_id, trace_ids (by start), name, status (open waiting closed), outcome,
--   start_ns (unix), duration_ns, llm_calls, tokens (input and output), span_count, error_count,
--   unpriced_calls, calls_without_usage, total_cost_usd (NULL: nothing priced). One row per
--   trajectory, the newest first.
-- Sort key used: trajectories (project, start hour, ...).
SELECT
    trajectory_id,
    trace_ids,
    toString(name) AS name,
    toString(status) AS status,
    toString(outcome) AS outcome,
    toUnixTimestamp64Nano(start_time) AS start_ns,
    toUInt64(duration_ns) AS duration_ns,
    llm_calls,
    input_tokens + output_tokens AS tokens,
    span_count,
    error_count,
    unpriced_calls,
    calls_without_usage,
    total_cost_usd
FROM trajectories FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND toStartOfHour(start_time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
    AND start_time >= toDateTime({from_s:Int64}, 'UTC')
    AND start_time < toDateTime({to_s:Int64}, 'UTC')
    AND (empty({ids:Array(String)}) OR hasAny(trace_ids, {ids:Array(String)}) OR trajectory_id IN {ids:Array(String)})
    AND ({task:String} = '' OR task_id = {task:String})
    AND ({session:String} = '' OR session_id = {session:String})
    AND ({by:String} = '' OR dimensions[{by:String}] = {by_value:String})
    AND ({dimension:String} = '' OR dimensions[{dimension:String}] = {dimension_value:String})
ORDER BY start_time DESC, trajectory_id
LIMIT {most:UInt32}
