-- Which traces match the filters, in the chosen order, from one place on?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the start; spans_to_s: unix seconds,
-- no span of these traces starts later; filters (empty or NULL: not filtered): agent,
-- model, service, environment, user, session, outcome (exact), status (ok error open), min_cost_usd,
-- max_cost_usd, min_tokens, max_tokens, min_duration_ns, max_duration_ns, text (part of the name, or
-- start of the trace id), tool (called in it), attribute, attribute_value (of one of its spans or
-- their resource; without a value: whatever it is), is_found_only, found (trace ids a search found);
-- sort: newest cost duration tokens spans errors, all descending; place: the keys of the row to go
-- on from, empty: the first or last ones; is_before: the rows above the place, nearest first;
-- page_size: rows.
-- Columns: trace_id, name, start_ms (unix), status (open closed), outcome, agent_name, models,
-- service_name, environment, session_id, user_id, duration_ns, span_count, error_count, llm_calls,
-- tool_calls, unpriced_calls, calls_without_usage, input_tokens, output_tokens, tokens (both; NULL:
-- nobody reported any), total_cost_usd (NULL: nothing priced), keys (the place of the row). One row
-- per trace.
-- Sort key used: (project, toStartOfHour(start_time)).
WITH
    if({is_before:Bool}, -1, 1) AS direction,
    -- What nobody reported is not zero.
    if(trace.calls_without_usage > 0 AND trace.input_tokens + trace.output_tokens = 0, NULL, trace.input_tokens + trace.output_tokens) AS tokens
SELECT
    trace_id,
    name,
    toUnixTimestamp64Milli(toDateTime64(start_time, 3, 'UTC')) AS start_ms,
    status,
    outcome,
    agent_name,
    models,
    service_name,
    environment,
    session_id,
    user_id,
    duration_ns,
    span_count,
    error_count,
    llm_calls,
    tool_calls,
    unpriced_calls,
    calls_without_usage,
    if(tokens IS NULL, NULL, trace.input_tokens) AS input_tokens,
    if(tokens IS NULL, NULL, trace.output_tokens) AS output_tokens,
    tokens,
    total_cost_usd,
    [
        multiIf(
            {sort:String} = 'cost', toInt128(ifNull(total_cost_usd, -1) * 1000000000000),
            {sort:String} = 'duration', toInt128(duration_ns),
            {sort:String} = 'tokens', ifNull(toInt128(tokens), toInt128(-1)),
            {sort:String} = 'spans', toInt128(span_count),
            {sort:String} = 'errors', toInt128(error_count),
            toInt128(0)
        ),
        toInt128(toUnixTimestamp64Nano(start_time)),
        toInt128(cityHash64(trace_id))
    ] AS keys
FROM traces AS trace FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND start_time >= toDateTime({from_s:Int64}, 'UTC')
    AND start_time < toDateTime({to_s:Int64}, 'UTC')
    AND ({agent:String} = '' OR agent_name = {agent:String} OR has(agents, {agent:String}))
    AND ({model:String} = '' OR has(models, {model:String}))
    AND ({service:String} = '' OR service_name = {service:String})
    AND ({environment:String} = '' OR environment = {environment:String})
    AND ({user:String} = '' OR user_id = {user:String})
    AND ({session:String} = '' OR session_id = {session:String})
    AND ({outcome:String} = '' OR outcome = {outcome:String})
    AND multiIf(
        {status:String} = 'ok', error_count = 0 AND status != 'open',
        {status:String} = 'error', error_count > 0,
        {status:String} = 'open', status = 'open',
        1
    )
    AND ({min_cost_usd:Nullable(Decimal(38, 12))} IS NULL OR total_cost_usd >= {min_cost_usd:Nullable(Decimal(38, 12))})
    AND ({max_cost_usd:Nullable(Decimal(38, 12))} IS NULL OR total_cost_usd <= {max_cost_usd:Nullable(Decimal(38, 12))})
    AND ifNull(tokens, 0) >= {min_tokens:UInt64}
    AND ({max_tokens:Nullable(UInt64)} IS NULL OR tokens <= {max_tokens:Nullable(UInt64)})
    AND duration_ns >= {min_duration_ns:UInt64}
    AND ({max_duration_ns:Nullable(UInt64)} IS NULL OR duration_ns <= {max_duration_ns:Nullable(UInt64)})
    AND (
        {text:String} = ''
        OR positionCaseInsensitiveUTF8(name, {text:String}) > 0
        OR startsWith(trace_id, lower({text:String}))
    )
    AND ({is_found_only:Bool} = 0 OR trace_id IN (SELECT arrayJoin({found:Array(String)})))
    AND ({tool:String} = '' OR trace_id IN (
        SELECT trace_id
        FROM spans
        WHERE {tool:String} != ''
            AND project = {project:String}
            AND toStartOfHour(start_time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
            AND start_time >= toDateTime({from_s:Int64}, 'UTC')
            AND start_time < toDateTime({spans_to_s:Int64}, 'UTC')
            AND tool_name = {tool:String}
    ))
    AND ({attribute:String} = '' OR trace_id IN (
        -- Apart, because the index on the values of one map knows nothing of the other.
        SELECT trace_id
        FROM spans
        WHERE {attribute:String} != ''
            AND project = {project:String}
            AND toStartOfHour(start_time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
            AND start_time >= toDateTime({from_s:Int64}, 'UTC')
            AND start_time < toDateTime({spans_to_s:Int64}, 'UTC')
            AND if({attribute_value:String} = '', mapContains(attributes, {attribute:String}), attributes[{attribute:String}] = {attribute_value:String})
        UNION ALL
        SELECT trace_id
        FROM spans
        WHERE {attribute:String} != ''
            AND project = {project:String}
            AND toStartOfHour(start_time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
            AND start_time >= toDateTime({from_s:Int64}, 'UTC')
            AND start_time < toDateTime({spans_to_s:Int64}, 'UTC')
            AND if({attribute_value:String} = '', mapContains(resource_attributes, {attribute:String}), resource_attributes[{attribute:String}] = {attribute_value:String})
    ))
    AND (
        empty({place:Array(Int128)})
        OR arrayMap(key -> key * direction, keys)
        < arrayMap(key -> key * direction, {place:Array(Int128)})
    )
ORDER BY
    keys[1] * direction DESC,
    keys[2] * direction DESC,
    keys[3] * direction DESC
LIMIT {page_size:UInt32}
