-- What did the calls of a day cost in a provider's peak hours?
-- Parameters: project; from_s, to_s: unix seconds, half open; hours (of the day,
--   UTC); dimensions, values, scopes, keys: as in reconciliation_ledger.
-- Columns: provider, model, service_tier, region, scope, api_key, USD by class: uncached, cache_read,
--   cache_write, output. One row per everything before USD.
-- Sort key used: ledger (project, toStartOfHour(time), ...).
SELECT
    toString(provider) AS provider,
    toString(model) AS model,
    toString(service_tier) AS service_tier,
    toString(region) AS region,
    if(dimensions['provider_scope'] != '', dimensions['provider_scope'],
        {scopes:Array(String)}[arrayFirstIndex((name, value, scope) -> scope != '' AND dimensions[name] = value, {dimensions:Array(String)}, {values:Array(String)}, {scopes:Array(String)})]) AS scope,
    if(dimensions['provider_key'] != '', dimensions['provider_key'],
        {keys:Array(String)}[arrayFirstIndex((name, value, key) -> key != '' AND dimensions[name] = value, {dimensions:Array(String)}, {values:Array(String)}, {keys:Array(String)})]) AS api_key,
    sum(ifNull(uncached_cost_usd, 0)) AS uncached,
    sum(ifNull(cache_read_cost_usd, 0)) AS cache_read,
    sum(ifNull(cache_write_cost_usd, 0)) AS cache_write,
    sum(ifNull(output_cost_usd, 0)) AS output
FROM ledger_current
WHERE project = {project:String}
    AND toStartOfHour(time) >= toDateTime({from_s:Int64}, 'UTC')
    AND toStartOfHour(time) < toDateTime({to_s:Int64}, 'UTC')
    AND kind IN ('llm', 'embedding')
    AND toHour(time, 'UTC') IN {hours:Array(UInt8)}
GROUP BY provider, model, service_tier, region, scope, api_key
ORDER BY provider, model, service_tier, region, scope, api_key
SETTINGS do_not_merge_across_partitions_select_final = 1
