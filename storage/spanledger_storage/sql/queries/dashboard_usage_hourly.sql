-- What was used and what did it cost, over days, in buckets of whole hours?
-- Parameters: project; within, name: only entries whose column "within" of usage_hourly holds "name"
-- (project and the project: all of them); from_s, to_s: unix seconds, half open, on hours; bucket_s:
-- seconds, a multiple of 3600.
-- Columns: bucket_s (its start, unix), kind, model, agent_name, then sums: calls, errors, unpriced_calls,
-- calls_without_usage, self_hosted_calls, tokens by class, total_cost_usd (what is priced). One row per
-- bucket, kind, model and agent.
-- Sort key used: (project, hour).
SELECT
    intDiv(toUnixTimestamp(hour), {bucket_s:UInt32}) * {bucket_s:UInt32} AS bucket_s,
    kind,
    model,
    agent_name,
    sum(usage_hourly.calls) AS calls,
    sum(usage_hourly.errors) AS errors,
    sum(usage_hourly.unpriced_calls) AS unpriced_calls,
    sum(usage_hourly.calls_without_usage) AS calls_without_usage,
    sum(usage_hourly.self_hosted_calls) AS self_hosted_calls,
    sum(usage_hourly.input_tokens) AS input_tokens,
    sum(usage_hourly.uncached_tokens) AS uncached_tokens,
    sum(usage_hourly.cache_read_tokens) AS cache_read_tokens,
    sum(usage_hourly.cache_write_tokens) AS cache_write_tokens,
    sum(usage_hourly.output_tokens) AS output_tokens,
    sum(usage_hourly.total_cost_usd) AS total_cost_usd
FROM usage_hourly FINAL
WHERE project = {project:String}
    AND hour >= toDateTime({from_s:Int64}, 'UTC')
    AND hour < toDateTime({to_s:Int64}, 'UTC')
    AND {within:Identifier} = {name:String}
    AND is_deleted = 0
GROUP BY bucket_s, kind, model, agent_name
ORDER BY bucket_s, kind, model, agent_name
