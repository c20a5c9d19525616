-- What is the cost of two periods of whole hours made of: calls, tokens and dollars by class and model?
-- Parameters: as in dashboard_cost_parts, but for what hourly usage does not know: project, from_s,
-- to_s, also_from_s, also_to_s, on hours; model, provider, agent, service, environment, kind, user.
-- Columns and rows: those of dashboard_cost_parts.
-- Sort key used: (project, hour).
SELECT
    hour >= toDateTime({from_s:Int64}, 'UTC') AS is_now,
    provider,
    model,
    sum(used.priced_calls) AS calls,
    sum(used.priced_uncached_tokens) AS uncached_tokens,
    sum(used.priced_cache_read_tokens) AS cache_read_tokens,
    sum(used.priced_cache_write_tokens) AS cache_write_tokens,
    sum(used.priced_output_tokens) AS output_tokens,
    sum(used.uncached_cost_usd) AS uncached_cost_usd,
    sum(used.cache_read_cost_usd) AS cache_read_cost_usd,
    sum(used.cache_write_cost_usd) AS cache_write_cost_usd,
    sum(used.output_cost_usd) AS output_cost_usd,
    sum(used.fees_cost_usd) AS fees_cost_usd,
    sum(used.total_cost_usd) AS total_cost_usd,
    sum(used.unpriced_calls) AS unpriced_calls,
    sum(used.calls_without_usage) AS calls_without_usage,
    sum(used.self_hosted_calls) AS self_hosted_calls
FROM usage_by_user AS used FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND (
        (hour >= toDateTime({from_s:Int64}, 'UTC') AND hour < toDateTime({to_s:Int64}, 'UTC'))
        OR (hour >= toDateTime({also_from_s:Int64}, 'UTC') AND hour < toDateTime({also_to_s:Int64}, 'UTC'))
    )
    AND (empty({model:Array(String)}) OR has({model:Array(String)}, model))
    AND (empty({provider:Array(String)}) OR has({provider:Array(String)}, provider))
    AND (empty({agent:Array(String)}) OR has({agent:Array(String)}, agent_name))
    AND (empty({service:Array(String)}) OR has({service:Array(String)}, service_name))
    AND (empty({environment:Array(String)}) OR has({environment:Array(String)}, environment))
    AND (empty({kind:Array(String)}) OR has({kind:Array(String)}, kind))
    AND (empty({user:Array(String)}) OR has({user:Array(String)}, user_id))
GROUP BY is_now, provider, model
ORDER BY is_now, provider, model
