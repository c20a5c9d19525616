-- What was used and what did it cost, by what rules of allocation look at that hourly usage knows?
-- Parameters: project; from_s, to_s: unix seconds, half open, on hours; starts: of the stretches in
-- which the same rules hold, unix seconds on hours, ascending.
-- Columns: since_s (start of the stretch, unix), kind, provider, model, agent_name, service_name,
-- environment, then sums: calls, unpriced_calls, calls_without_usage, self_hosted_calls, tokens
-- (input and output), total_cost_usd (what is priced). One row per combination.
-- Sort key used: (project, hour).
SELECT
    roundDown(toUnixTimestamp(hour), {starts:Array(UInt32)}) AS since_s,
    kind,
    provider,
    model,
    agent_name,
    service_name,
    environment,
    sum(usage_hourly.calls) AS calls,
    sum(usage_hourly.unpriced_calls) AS unpriced_calls,
    sum(usage_hourly.calls_without_usage) AS calls_without_usage,
    sum(usage_hourly.self_hosted_calls) AS self_hosted_calls,
    sum(usage_hourly.input_tokens + usage_hourly.output_tokens) AS tokens,
    sum(usage_hourly.total_cost_usd) AS total_cost_usd
FROM usage_hourly FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND hour >= toDateTime({from_s:Int64}, 'UTC')
    AND hour < toDateTime({to_s:Int64}, 'UTC')
GROUP BY since_s, kind, provider, model, agent_name, service_name, environment
