-- What was used and what did it cost, by time and the dimensions of the hourly usage?
-- Parameters: project; from_s, to_s: unix seconds, half open, on hours; grain: hour day month, anything
-- else: all in one, at from_s; by: dimensions to tell apart, of kind provider model agent service
-- environment; after_ns, after_id: the time (unix ns) and key of the row to go on from, below zero: from
-- the newest; slice, slices: only the rows of this part of so many, 0 of 1: all; filters (empty: not
-- filtered): kind, provider, model, agent, service, environment; page_rows.
-- Columns: time (start of the bucket, UTC), key (hash of the dimensions), kind, provider, model,
-- agent_name, service_name, environment (empty where not told apart), then sums: calls, errors,
-- unpriced_calls, calls_without_usage, self_hosted_calls, tokens by class, total_cost_usd (what is
-- priced). One row per bucket and combination of the dimensions.
-- Sort key used: (project, hour).
SELECT
    toDateTime64(
        multiIf(
            {grain:String} = 'hour', hour,
            {grain:String} = 'day', toStartOfDay(hour, 'UTC'),
            {grain:String} = 'month', toDateTime(toStartOfMonth(hour, 'UTC'), 'UTC'),
            toDateTime({from_s:Int64}, 'UTC')
        ),
        3,
        'UTC'
    ) AS time,
    if(has({by:Array(String)}, 'kind'), toString(usage.kind), '') AS kind,
    if(has({by:Array(String)}, 'provider'), toString(usage.provider), '') AS provider,
    if(has({by:Array(String)}, 'model'), toString(usage.model), '') AS model,
    if(has({by:Array(String)}, 'agent'), toString(usage.agent_name), '') AS agent_name,
    if(has({by:Array(String)}, 'service'), toString(usage.service_name), '') AS service_name,
    if(has({by:Array(String)}, 'environment'), toString(usage.environment), '') AS environment,
    lower(hex(sipHash128(kind, provider, model, agent_name, service_name, environment))) AS key,
    sum(usage.calls) AS calls,
    sum(usage.errors) AS errors,
    sum(usage.unpriced_calls) AS unpriced_calls,
    sum(usage.calls_without_usage) AS calls_without_usage,
    sum(usage.self_hosted_calls) AS self_hosted_calls,
    sum(usage.input_tokens) AS input_tokens,
    sum(usage.uncached_tokens) AS uncached_tokens,
    sum(usage.cache_read_tokens) AS cache_read_tokens,
    sum(usage.cache_write_tokens) AS cache_write_tokens,
    sum(usage.output_tokens) AS output_tokens,
    sum(usage.reasoning_tokens) AS reasoning_tokens,
    sum(usage.total_cost_usd) AS total_cost_usd
FROM usage_hourly AS usage FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND hour >= toDateTime({from_s:Int64}, 'UTC')
    AND hour < toDateTime({to_s:Int64}, 'UTC')
    AND ({kind:String} = '' OR usage.kind = {kind:String})
    AND ({provider:String} = '' OR usage.provider = {provider:String})
    AND ({model:String} = '' OR usage.model = {model:String})
    AND ({agent:String} = '' OR usage.agent_name = {agent:String})
    AND ({service:String} = '' OR usage.service_name = {service:String})
    AND ({environment:String} = '' OR usage.environment = {environment:String})
GROUP BY time, kind, provider, model, agent_name, service_name, environment
HAVING sipHash64(key) % {slices:UInt32} = {slice:UInt32}
    AND (
        {after_ns:Int64} < 0
        OR (toUnixTimestamp64Milli(time) * 1000000, key) < ({after_ns:Int64}, {after_id:String})
    )
ORDER BY time DESC, key DESC
LIMIT {page_rows:UInt64}
