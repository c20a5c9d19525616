-- What was used and what did it cost, day by day, by everything an export in FOCUS tells apart?
-- Parameters: project; from_s, to_s: unix seconds, half open, starts of UTC days.
-- Columns: day, kind, provider, model, service_tier, region, agent_name, service_name, environment,
-- tool_name, price_status, price_id, contract_id, cache_ttl (lifetime of the cache writes: 5m, 1h;
-- empty: none, both, not known), is_unused (infrastructure nobody used), then sums: entries, hours (in
-- which they are), calls (of models: what they stand for; else 0), tokens by class, costs in dollars
-- by class, total_cost_usd (what is priced), list_cost_usd (before contracts; where it is not known,
-- the cost). Fees of calls that searched are web_search_fees_usd, others are per request:
-- request_fees_usd for fee_requests calls.
-- Sort key used: (project, toStartOfHour(time)).
WITH
    kind IN ('llm', 'embedding') AS is_model,
    if(is_model AND usage_source = 'metric', greatest(ifNull(attempts, 1), 1), 1) AS stands_for,
    ifNull(entry.web_searches, 0) > 0 AS has_searched,
    ifNull(entry.fees_cost_usd, 0) AS fees_usd,
    ifNull(entry.cache_write_1h_tokens, 0) AS long_writes,
    ifNull(entry.cache_write_5m_tokens, 0) AS short_writes
SELECT
    toDate(time) AS day,
    kind,
    provider,
    model,
    service_tier,
    region,
    agent_name,
    service_name,
    environment,
    tool_name,
    price_status,
    price_id,
    contract_id,
    multiIf(
        ifNull(entry.cache_write_tokens, 0) = 0, '',
        long_writes = entry.cache_write_tokens, '1h',
        short_writes = entry.cache_write_tokens, '5m',
        ''
    ) AS cache_ttl,
    kind = 'infra' AND has(flags, 'unused') AS is_unused,
    count() AS entries,
    uniqExact(toStartOfHour(time)) AS hours,
    sumIf(stands_for, is_model) AS calls,
    sum(ifNull(entry.uncached_tokens, 0)) AS uncached_tokens,
    sum(ifNull(entry.cache_read_tokens, 0)) AS cache_read_tokens,
    sum(ifNull(entry.cache_write_tokens, 0)) AS cache_write_tokens,
    sum(ifNull(entry.output_tokens, 0)) AS output_tokens,
    sum(ifNull(entry.web_searches, 0)) AS web_searches,
    sumIf(stands_for, fees_usd != 0 AND NOT has_searched) AS fee_requests,
    sum(ifNull(entry.uncached_cost_usd, 0)) AS uncached_cost_usd,
    sum(ifNull(entry.cache_read_cost_usd, 0)) AS cache_read_cost_usd,
    sum(ifNull(entry.cache_write_cost_usd, 0)) AS cache_write_cost_usd,
    sum(ifNull(entry.output_cost_usd, 0)) AS output_cost_usd,
    sumIf(fees_usd, NOT has_searched) AS request_fees_usd,
    sumIf(fees_usd, has_searched) AS web_search_fees_usd,
    sum(ifNull(entry.total_cost_usd, 0)) AS total_cost_usd,
    sum(coalesce(entry.list_cost_usd, entry.total_cost_usd, 0)) AS list_cost_usd
FROM ledger_current AS entry
WHERE project = {project:String}
    AND time >= toDateTime({from_s:Int64}, 'UTC')
    AND time < toDateTime({to_s:Int64}, 'UTC')
GROUP BY
    day, kind, provider, model, service_tier, region, agent_name, service_name, environment, tool_name,
    price_status, price_id, contract_id, cache_ttl, is_unused
ORDER BY
    day, kind, provider, model, service_tier, region, agent_name, service_name, environment, tool_name,
    price_status, price_id, contract_id, cache_ttl, is_unused
