-- What did one series do in some times, by who did it?
-- Parameters: project; dimension (project, agent, model, service, team, tool) and name: the series;
--   starts: when the times begin (UNIX seconds); length_s: how long each of them is; hours: the UTC
--   start hours they lie in (UNIX seconds).
-- Result: one row per kind, agent, model, service, team and tool: calls; tokens by class, of what is priced
--   by the token, and what they cost; fees_usd; other_usd: what follows from no tokens; summed = 0.
--   Then one row per agent (summed = 1) and one of all (summed = 2) with traces: how many had a part in it.
-- Relies on the sort key of ledger (project, start hour, ...).
WITH
    uncached_cost_usd IS NOT NULL OR output_cost_usd IS NOT NULL AS by_token,
    multiIf(
        {dimension:String} = 'agent', toString(ledger.agent_name),
        {dimension:String} = 'model', toString(ledger.model),
        {dimension:String} = 'service', toString(ledger.service_name),
        {dimension:String} = 'team', ledger.dimensions['team'],
        {dimension:String} = 'tool', toString(ledger.tool_name),
        ''
    ) AS named
SELECT
    toString(kind) AS kind,
    toString(agent_name) AS agent,
    toString(ledger.model) AS model,
    toString(service_name) AS service,
    dimensions['team'] AS team,
    toString(tool_name) AS tool,
    grouping(kind) + grouping(agent) AS summed,
    uniqExact(trace_id) AS traces,
    sumIf(if(usage_source = 'metric', greatest(ifNull(attempts, 1), 1), 1), ledger.kind IN ('llm', 'embedding')) AS calls,
    sumIf(ifNull(uncached_tokens, 0), by_token) AS uncached,
    sumIf(ifNull(cache_read_tokens, 0), by_token) AS cache_read,
    sumIf(ifNull(cache_write_tokens, 0), by_token) AS cache_write,
    sumIf(ifNull(output_tokens, 0), by_token) AS output,
    sum(ifNull(uncached_cost_usd, 0)) AS uncached_usd,
    sum(ifNull(cache_read_cost_usd, 0)) AS cache_read_usd,
    sum(ifNull(cache_write_cost_usd, 0)) AS cache_write_usd,
    sum(ifNull(output_cost_usd, 0)) AS output_usd,
    sum(ifNull(fees_cost_usd, 0)) AS fees_usd,
    sum(ifNull(total_cost_usd, 0)) - uncached_usd - cache_read_usd - cache_write_usd - output_usd - fees_usd AS other_usd
FROM ledger FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND toStartOfHour(time) IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
    AND named = {name:String}
    AND arrayExists(
        start -> time >= toDateTime(start, 'UTC') AND time < toDateTime(start + {length_s:Int64}, 'UTC'),
        {starts:Array(Int64)}
    )
GROUP BY GROUPING SETS ((kind, agent, model, service, team, tool), (agent), ())
