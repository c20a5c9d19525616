-- Which trajectories match the filters, in the chosen order?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the start; filters (empty or
-- zero: not filtered): agent, model, service, user, session (exact), status (ok, error: at
-- least one span failed), min_cost_usd, text (part of the name, or start of the trace id);
-- sort: newest cost duration tokens spans errors, all descending; page_size, skip: rows.
-- Columns: trace_id, name, start_ms (unix), status (open closed), outcome, agent_name, models,
-- service_name, session_id, user_id, duration_ns, span_count, error_count, llm_calls,
-- unpriced_calls, calls_without_usage, tokens (input and output), total_cost_usd (NULL: nothing
-- priced). One row per trajectory.
-- Sort key used: (project, toStartOfHour(start_time)).
SELECT
    trajectory_id AS trace_id,
    name,
    toUnixTimestamp64Milli(toDateTime64(start_time, 3, 'UTC')) AS start_ms,
    status,
    outcome,
    agent_name,
    models,
    service_name,
    session_id,
    user_id,
    duration_ns,
    span_count,
    error_count,
    llm_calls,
    unpriced_calls,
    calls_without_usage,
    input_tokens + output_tokens AS tokens,
    total_cost_usd
FROM trajectories FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND start_time >= toDateTime({from_s:Int64}, 'UTC')
    AND start_time < toDateTime({to_s:Int64}, 'UTC')
    AND ({agent:String} = '' OR agent_name = {agent:String} OR has(agents, {agent:String}))
    AND ({model:String} = '' OR has(models, {model:String}))
    AND ({service:String} = '' OR service_name = {service:String})
    AND ({user:String} = '' OR user_id = {user:String})
    AND ({session:String} = '' OR session_id = {session:String})
    AND ({status:String} = '' OR ({status:String} = 'error') = (error_count > 0))
    AND ({min_cost_usd:Decimal(38, 12)} = 0 OR total_cost_usd >= {min_cost_usd:Decimal(38, 12)})
    AND (
        {text:String} = ''
        OR positionCaseInsensitiveUTF8(name, {text:String}) > 0
        OR startsWith(trajectory_id, lower({text:String}))
        OR has(trace_ids, lower({text:String}))
    )
ORDER BY
    multiIf(
        {sort:String} = 'cost', toFloat64(ifNull(total_cost_usd, -1)),
        {sort:String} = 'duration', toFloat64(duration_ns),
        {sort:String} = 'tokens', toFloat64(tokens),
        {sort:String} = 'spans', toFloat64(span_count),
        {sort:String} = 'errors', toFloat64(error_count),
        0.
    ) DESC,
    start_time DESC,
    trajectory_id
LIMIT {page_size:UInt32} OFFSET {skip:UInt64}
