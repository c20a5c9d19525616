-- What was used and what did it cost, by time and any dimension of the ledger?
-- Parameters: project; from_s, to_s: unix seconds, half open, on hours; grain: hour day month, anything
-- else: all in one, at from_s; by: dimensions to tell apart, of kind provider model agent service
-- environment version workflow session user task tool tier region price_status; by_dimensions: names of
-- dimensions to tell apart; after_ns, after_id: the time (unix ns) and key of the row to go on from,
-- below zero: from the newest; slice, slices: only the rows of this part of so many, 0 of 1: all;
-- filters (empty: not filtered): kind, provider, model, agent, service, environment, session, user,
-- task, tool, workflow; dimension_names, dimension_values: each name has its value; page_rows.
-- Columns: those of api_usage_hourly, with the same meaning, and the other dimensions; dimensions is a
-- map of those asked for. One row per bucket and combination of the dimensions.
-- Sort key used: (project, toStartOfHour(time)).
WITH
    entry.kind IN ('llm', 'embedding') AS is_model,
    if(is_model, if(usage_source = 'metric', greatest(ifNull(attempts, 1), 1), 1), 0) AS stands_for
SELECT
    toDateTime64(
        multiIf(
            {grain:String} = 'hour', toStartOfHour(toDateTime(entry.time, 'UTC')),
            {grain:String} = 'day', toStartOfDay(toDateTime(entry.time, 'UTC'), 'UTC'),
            {grain:String} = 'month', toDateTime(toStartOfMonth(entry.time, 'UTC'), 'UTC'),
            toDateTime({from_s:Int64}, 'UTC')
        ),
        3,
        'UTC'
    ) AS bucket,
    if(has({by:Array(String)}, 'kind'), toString(entry.kind), '') AS kind,
    if(has({by:Array(String)}, 'provider'), toString(entry.provider), '') AS provider,
    if(has({by:Array(String)}, 'model'), toString(entry.model), '') AS model,
    if(has({by:Array(String)}, 'agent'), toString(entry.agent_name), '') AS agent_name,
    if(has({by:Array(String)}, 'service'), toString(entry.service_name), '') AS service_name,
    if(has({by:Array(String)}, 'environment'), toString(entry.environment), '') AS environment,
    if(has({by:Array(String)}, 'version'), toString(entry.agent_version), '') AS agent_version,
    if(has({by:Array(String)}, 'workflow'), toString(entry.workflow_name), '') AS workflow_name,
    if(has({by:Array(String)}, 'session'), entry.session_id, '') AS session_id,
    if(has({by:Array(String)}, 'user'), entry.user_id, '') AS user_id,
    if(has({by:Array(String)}, 'task'), entry.task_id, '') AS task_id,
    if(has({by:Array(String)}, 'tool'), toString(entry.tool_name), '') AS tool_name,
    if(has({by:Array(String)}, 'tier'), toString(entry.service_tier), '') AS service_tier,
    if(has({by:Array(String)}, 'region'), toString(entry.region), '') AS region,
    if(has({by:Array(String)}, 'price_status'), toString(entry.price_status), '') AS price_status,
    CAST(
        ({by_dimensions:Array(String)}, arrayMap(name -> entry.dimensions[name], {by_dimensions:Array(String)})),
        'Map(String, String)'
    ) AS dimensions,
    lower(hex(sipHash128(
        kind, provider, model, agent_name, service_name, environment, agent_version, workflow_name,
        session_id, user_id, task_id, tool_name, service_tier, region, price_status, mapValues(dimensions)
    ))) AS key,
    bucket AS time,
    sum(stands_for) AS calls,
    countIf(entry.status = 'error' AND is_model) AS errors,
    sumIf(greatest(stands_for, 1), entry.price_status = 'unpriced' AND usage_source != 'none') AS unpriced_calls,
    countIf(usage_source = 'none' AND entry.status != 'error' AND is_model) AS calls_without_usage,
    sumIf(stands_for, entry.price_status = 'self_hosted' AND usage_source != 'none') AS self_hosted_calls,
    sum(ifNull(entry.input_tokens, 0)) AS input_tokens,
    sum(ifNull(entry.uncached_tokens, 0)) AS uncached_tokens,
    sum(ifNull(entry.cache_read_tokens, 0)) AS cache_read_tokens,
    sum(ifNull(entry.cache_write_tokens, 0)) AS cache_write_tokens,
    sum(ifNull(entry.output_tokens, 0)) AS output_tokens,
    sum(ifNull(entry.reasoning_tokens, 0)) AS reasoning_tokens,
    sum(ifNull(entry.total_cost_usd, 0)) AS total_cost_usd
FROM ledger_current AS entry
WHERE project = {project:String}
    AND entry.time >= toDateTime({from_s:Int64}, 'UTC')
    AND entry.time < toDateTime({to_s:Int64}, 'UTC')
    AND ({kind:String} = '' OR entry.kind = {kind:String})
    AND ({provider:String} = '' OR entry.provider = {provider:String})
    AND ({model:String} = '' OR entry.model = {model:String})
    AND ({agent:String} = '' OR entry.agent_name = {agent:String})
    AND ({service:String} = '' OR entry.service_name = {service:String})
    AND ({environment:String} = '' OR entry.environment = {environment:String})
    AND ({session:String} = '' OR entry.session_id = {session:String})
    AND ({user:String} = '' OR entry.user_id = {user:String})
    AND ({task:String} = '' OR entry.task_id = {task:String})
    AND ({tool:String} = '' OR entry.tool_name = {tool:String})
    AND ({workflow:String} = '' OR entry.workflow_name = {workflow:String})
    AND arrayAll(
        (name, value) -> entry.dimensions[name] = value,
        {dimension_names:Array(String)},
        {dimension_values:Array(String)}
    )
GROUP BY
    bucket, kind, provider, model, agent_name, service_name, environment, agent_version, workflow_name,
    session_id, user_id, task_id, tool_name, service_tier, region, price_status, dimensions
HAVING sipHash64(key) % {slices:UInt32} = {slice:UInt32}
    AND (
        {after_ns:Int64} < 0
        OR (toUnixTimestamp64Milli(bucket) * 1000000, key) < ({after_ns:Int64}, {after_id:String})
    )
ORDER BY bucket DESC, key DESC
LIMIT {page_rows:UInt64}
