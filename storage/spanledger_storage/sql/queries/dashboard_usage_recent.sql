-- What was used and what did it cost, in buckets finer than the hourly cube or of a part of a project?
-- Parameters: project; within, name: only entries whose column "within" holds "name" (project and
-- the project: all of them); from_s, to_s: unix seconds, half open; bucket_s: seconds.
-- Columns and grain: those of dashboard_usage_hourly.
-- "Unpriced" and "without usage" mean what they mean in usage_hourly: usage known but no
-- price; answered but no token count.
-- Calls are model calls; the money is of all kinds. An entry known from metrics stands for as many
-- calls as its attempts say, at least one.
-- Sort key used: (project, toStartOfHour(time)).
WITH
    kind IN ('llm', 'embedding') AS is_model,
    if(is_model, if(usage_source = 'metric', greatest(ifNull(attempts, 1), 1), 1), 0) AS stands_for
SELECT
    intDiv(toUnixTimestamp(time), {bucket_s:UInt32}) * {bucket_s:UInt32} AS bucket_s,
    kind,
    model,
    agent_name,
    sum(stands_for) AS calls,
    countIf(status = 'error' AND is_model) AS errors,
    sumIf(greatest(stands_for, 1), price_status = 'unpriced' AND usage_source != 'none') AS unpriced_calls,
    countIf(usage_source = 'none' AND status != 'error' AND is_model) AS calls_without_usage,
    sumIf(stands_for, price_status = 'self_hosted' AND usage_source != 'none') AS self_hosted_calls,
    sum(ifNull(entry.input_tokens, 0)) AS input_tokens,
    sum(ifNull(entry.uncached_tokens, 0)) AS uncached_tokens,
    sum(ifNull(entry.cache_read_tokens, 0)) AS cache_read_tokens,
    sum(ifNull(entry.cache_write_tokens, 0)) AS cache_write_tokens,
    sum(ifNull(entry.output_tokens, 0)) AS output_tokens,
    sum(ifNull(entry.total_cost_usd, 0)) AS total_cost_usd
FROM ledger_current AS entry
WHERE project = {project:String}
    AND time >= toDateTime({from_s:Int64}, 'UTC')
    AND time < toDateTime({to_s:Int64}, 'UTC')
    AND {within:Identifier} = {name:String}
GROUP BY bucket_s, kind, model, agent_name
ORDER BY bucket_s, kind, model, agent_name
