-- What was used and what did it cost, by everything that rules of allocation look at?
-- Parameters: project; from_s, to_s: unix seconds, half open; starts: of the stretches in which the
-- same rules hold, unix seconds, ascending; fields: columns that are told apart besides kind,
-- provider, model, agent_name and service_name; dimensions: names of those that are. Of users,
-- sessions and tasks only what patterns tell apart: user_exact, session_exact, task_exact: values;
-- user_prefixes, session_prefixes, task_prefixes: beginnings, the longest first.
-- Columns: since_s (start of the stretch, unix), kind, provider, model, agent_name, service_name,
-- agent_version, workflow_name, environment, request_model, service_tier, region, tool_name, unused
-- (infra: capacity that nobody used), user_id, session_id, task_id (the value where a pattern names
-- it; the beginning and a star; else empty), dimension_values (in the order of dimensions), then
-- sums: calls, unpriced_calls, calls_without_usage, self_hosted_calls (as in usage_hourly), tokens
-- (input and output) and by class, costs in dollars by class, total_cost_usd (what is priced),
-- list_cost_usd (before contracts; where it is not known, the cost). One row per combination.
-- Sort key used: (project, toStartOfHour(time)).
WITH
    kind IN ('llm', 'embedding') AS is_model,
    if(is_model, if(usage_source = 'metric', greatest(ifNull(attempts, 1), 1), 1), 0) AS stands_for,
    arrayFirst(prefix -> startsWith(entry.user_id, prefix), {user_prefixes:Array(String)}) AS user_prefix,
    arrayFirst(prefix -> startsWith(entry.session_id, prefix), {session_prefixes:Array(String)}) AS session_prefix,
    arrayFirst(prefix -> startsWith(entry.task_id, prefix), {task_prefixes:Array(String)}) AS task_prefix
SELECT
    roundDown(toUInt32(toUnixTimestamp(time)), {starts:Array(UInt32)}) AS since_s,
    kind,
    provider,
    model,
    agent_name,
    service_name,
    if(has({fields:Array(String)}, 'agent_version'), entry.agent_version, '') AS agent_version,
    if(has({fields:Array(String)}, 'workflow_name'), entry.workflow_name, '') AS workflow_name,
    if(has({fields:Array(String)}, 'environment'), entry.environment, '') AS environment,
    if(has({fields:Array(String)}, 'request_model'), entry.request_model, '') AS request_model,
    if(has({fields:Array(String)}, 'service_tier'), entry.service_tier, '') AS service_tier,
    if(has({fields:Array(String)}, 'region'), entry.region, '') AS region,
    if(has({fields:Array(String)}, 'tool_name'), entry.tool_name, '') AS tool_name,
    if(has({fields:Array(String)}, 'unused') AND kind = 'infra' AND has(flags, 'unused'), 'infra', '') AS unused,
    multiIf(
        not has({fields:Array(String)}, 'user_id'), '',
        has({user_exact:Array(String)}, entry.user_id), entry.user_id,
        entry.user_id != '' AND arrayExists(prefix -> startsWith(entry.user_id, prefix), {user_prefixes:Array(String)}),
        concat(user_prefix, '*'),
        ''
    ) AS user_id,
    multiIf(
        not has({fields:Array(String)}, 'session_id'), '',
        has({session_exact:Array(String)}, entry.session_id), entry.session_id,
        entry.session_id != '' AND arrayExists(prefix -> startsWith(entry.session_id, prefix), {session_prefixes:Array(String)}),
        concat(session_prefix, '*'),
        ''
    ) AS session_id,
    multiIf(
        not has({fields:Array(String)}, 'task_id'), '',
        has({task_exact:Array(String)}, entry.task_id), entry.task_id,
        entry.task_id != '' AND arrayExists(prefix -> startsWith(entry.task_id, prefix), {task_prefixes:Array(String)}),
        concat(task_prefix, '*'),
        ''
    ) AS task_id,
    arrayMap(name -> entry.dimensions[name], {dimensions:Array(String)}) AS dimension_values,
    sum(stands_for) AS calls,
    sumIf(greatest(stands_for, 1), price_status = 'unpriced' AND usage_source != 'none') AS unpriced_calls,
    countIf(usage_source = 'none' AND status != 'error' AND is_model) AS calls_without_usage,
    sumIf(stands_for, price_status = 'self_hosted' AND usage_source != 'none') AS self_hosted_calls,
    sum(ifNull(entry.input_tokens, 0) + ifNull(entry.output_tokens, 0)) AS tokens,
    sum(ifNull(entry.uncached_tokens, 0)) AS uncached_tokens,
    sum(ifNull(entry.cache_read_tokens, 0)) AS cache_read_tokens,
    sum(ifNull(entry.cache_write_tokens, 0)) AS cache_write_tokens,
    sum(ifNull(entry.output_tokens, 0)) AS output_tokens,
    sum(ifNull(entry.uncached_cost_usd, 0)) AS uncached_cost_usd,
    sum(ifNull(entry.cache_read_cost_usd, 0)) AS cache_read_cost_usd,
    sum(ifNull(entry.cache_write_cost_usd, 0)) AS cache_write_cost_usd,
    sum(ifNull(entry.output_cost_usd, 0)) AS output_cost_usd,
    sum(ifNull(entry.fees_cost_usd, 0)) AS fees_cost_usd,
    sum(ifNull(entry.total_cost_usd, 0)) AS total_cost_usd,
    sum(coalesce(entry.list_cost_usd, entry.total_cost_usd, 0)) AS list_cost_usd
FROM ledger_current AS entry
WHERE project = {project:String}
    AND time >= toDateTime({from_s:Int64}, 'UTC')
    AND time < toDateTime({to_s:Int64}, 'UTC')
GROUP BY
    since_s, kind, provider, model, agent_name, service_name, agent_version, workflow_name, environment,
    request_model, service_tier, region, tool_name, unused, user_id, session_id, task_id, dimension_values
SETTINGS do_not_merge_across_partitions_select_final = 1
