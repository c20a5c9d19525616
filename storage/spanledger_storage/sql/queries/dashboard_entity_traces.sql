-- Which traces did an agent, a model, a user, a session or a tool take part in?
-- Parameters: project; agent, model, user, session, tool: empty narrows nothing; from_s, to_s: unix
-- seconds, half open, of the start; sort: cost duration newest oldest failed (newest of those with
-- a failed span); page_size: rows.
-- Columns: trace_id, name, agent_name, start_ms (unix), duration_ns, status (open closed), outcome,
-- calls, error_count, tokens (input and output; NULL: nobody reported any), unpriced_calls,
-- calls_without_usage, total_cost_usd (of the whole trace; NULL: nothing priced). One row per trace.
-- Sort key used: (project, toStartOfHour(start_time)).
SELECT
    trace_id,
    name,
    agent_name,
    toUnixTimestamp64Milli(toDateTime64(start_time, 3, 'UTC')) AS start_ms,
    duration_ns,
    status,
    outcome,
    toUInt64(llm_calls) + embedding_calls AS calls,
    error_count,
    if(calls_without_usage > 0 AND input_tokens + output_tokens = 0, NULL, input_tokens + output_tokens) AS tokens,
    unpriced_calls,
    calls_without_usage,
    total_cost_usd
FROM traces FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND start_time >= toDateTime({from_s:Int64}, 'UTC')
    AND start_time < toDateTime({to_s:Int64}, 'UTC')
    AND ({agent:String} = '' OR agent_name = {agent:String} OR has(agents, {agent:String}))
    AND ({model:String} = '' OR has(models, {model:String}))
    AND ({user:String} = '' OR user_id = {user:String})
    AND ({session:String} = '' OR session_id = {session:String})
    AND (
        {tool:String} = ''
        OR trace_id IN (
            SELECT trace_id
            FROM spans
            PREWHERE role = 'tool' AND tool_name = {tool:String}
            WHERE project = {project:String}
                AND start_time >= toDateTime({from_s:Int64}, 'UTC')
                AND start_time < toDateTime({to_s:Int64} + 86400, 'UTC')
        )
    )
    AND ({sort:String} != 'failed' OR error_count > 0)
ORDER BY
    multiIf(
        {sort:String} = 'cost', toFloat64(ifNull(total_cost_usd, -1)),
        {sort:String} = 'duration', toFloat64(duration_ns),
        {sort:String} = 'oldest', -toFloat64(start_ms),
        toFloat64(start_ms)
    ) DESC,
    trace_id
LIMIT {page_size:UInt32}
