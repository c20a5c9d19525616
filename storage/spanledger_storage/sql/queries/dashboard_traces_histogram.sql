-- How many traces match the filters, when, and what do they sum up to?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the start; spans_to_s: unix seconds,
-- no span of these traces starts later; filters (empty or NULL: not filtered): agent,
-- model, service, environment, user, session, outcome (exact), status (ok error open), min_cost_usd,
-- max_cost_usd, min_tokens, max_tokens, min_duration_ns, max_duration_ns, text (part of the name, or
-- start of the trace id), tool (called in it), attribute, attribute_value (of one of its spans or
-- their resource; without a value: whatever it is), is_found_only, found (trace ids a search found);
-- bucket_s: seconds per bucket, which start at from_s.
-- Columns: bucket_s (unix start), traces, failed_traces, total_cost_usd (NULL: nothing priced),
-- unpriced_calls. One row per bucket with traces.
-- Sort key used: (project, toStartOfHour(start_time)).
WITH
    -- What nobody reported is not zero.
    if(trace.calls_without_usage > 0 AND trace.input_tokens + trace.output_tokens = 0, NULL, trace.input_tokens + trace.output_tokens) AS tokens
SELECT
    {from_s:Int64}
    + intDiv(toUnixTimestamp(start_time) - {from_s:Int64}, {bucket_s:Int64}) * {bucket_s:Int64} AS bucket_s,
    count() AS traces,
    countIf(error_count > 0) AS failed_traces,
    sum(trace.total_cost_usd) AS total_cost_usd,
    sum(trace.unpriced_calls) AS unpriced_calls
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
    AND ({min_cost_usd:Nullable(Decimal(38, 12))} IS NULL OR trace.total_cost_usd >= {min_cost_usd:Nullable(Decimal(38, 12))})
    AND ({max_cost_usd:Nullable(Decimal(38, 12))} IS NULL OR trace.total_cost_usd <= {max_cost_usd:Nullable(Decimal(38, 12))})
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
GROUP BY 1
ORDER BY 1
