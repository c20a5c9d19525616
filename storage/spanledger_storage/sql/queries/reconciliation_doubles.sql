-- Which calls of a day look like a second telling of another call?
-- Parameters: project; from_s, to_s: unix seconds, half open; models (as in the ledger);
--   dimensions, values, scopes, keys: as in reconciliation_ledger.
-- Columns: provider, model, service_tier, region, scope, api_key, calls (how many of them), tokens
--   by class: uncached, cache_read, cache_write, output, and USD: X_usd. One row per everything before
--   calls.
-- A second telling has the response id of an earlier call, or its tokens within two seconds from
-- another service or instrumentation, and no other response id.
-- Sort key used: ledger (project, toStartOfHour(time), ...).
SELECT
    provider,
    model,
    service_tier,
    region,
    scope,
    api_key,
    count() AS calls,
    sum(told_uncached) AS uncached,
    sum(uncached_cost) AS uncached_usd,
    sum(told_cache_read) AS cache_read,
    sum(cache_read_cost) AS cache_read_usd,
    sum(told_cache_write) AS cache_write,
    sum(cache_write_cost) AS cache_write_usd,
    sum(told_output) AS output,
    sum(output_cost) AS output_usd
FROM
(
    SELECT
        *,
        row_number() OVER (PARTITION BY model, if(response_id = '', entry_id, response_id) ORDER BY time, entry_id) AS telling,
        lagInFrame(response_id, 1, '') OVER same AS response_before,
        lagInFrame(time, 1, toDateTime64('1970-01-01 00:00:00', 9, 'UTC')) OVER same AS time_before,
        lagInFrame(told_by, 1, '') OVER same AS told_by_before
    FROM
    (
        SELECT
            toString(provider) AS provider,
            toString(model) AS model,
            toString(service_tier) AS service_tier,
            toString(region) AS region,
            if(dimensions['provider_scope'] != '', dimensions['provider_scope'],
                {scopes:Array(String)}[arrayFirstIndex((name, value, scope) -> scope != '' AND dimensions[name] = value, {dimensions:Array(String)}, {values:Array(String)}, {scopes:Array(String)})]) AS scope,
            if(dimensions['provider_key'] != '', dimensions['provider_key'],
                {keys:Array(String)}[arrayFirstIndex((name, value, key) -> key != '' AND dimensions[name] = value, {dimensions:Array(String)}, {values:Array(String)}, {keys:Array(String)})]) AS api_key,
            time,
            entry_id,
            response_id,
            concat(toString(service_name), ' ', arrayStringConcat(dialects, ' ')) AS told_by,
            assumeNotNull(input_tokens) AS input,
            ifNull(uncached_tokens, 0) AS told_uncached,
            ifNull(uncached_cost_usd, 0) AS uncached_cost,
            ifNull(cache_read_tokens, 0) AS told_cache_read,
            ifNull(cache_read_cost_usd, 0) AS cache_read_cost,
            ifNull(cache_write_tokens, 0) AS told_cache_write,
            ifNull(cache_write_cost_usd, 0) AS cache_write_cost,
            ifNull(output_tokens, 0) AS told_output,
            ifNull(output_cost_usd, 0) AS output_cost
        FROM ledger_current
        WHERE project = {project:String}
            AND toStartOfHour(time) >= toDateTime({from_s:Int64}, 'UTC')
            AND toStartOfHour(time) < toDateTime({to_s:Int64}, 'UTC')
            AND kind IN ('llm', 'embedding')
            AND toString(model) IN {models:Array(String)}
            AND input_tokens IS NOT NULL
            AND usage_source NOT IN ('metric', 'aggregate')
    )
    WINDOW same AS (PARTITION BY model, input, told_uncached, told_output ORDER BY time, entry_id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
)
WHERE telling > 1
    OR (
        input + told_output > 0
        AND told_by_before != ''
        AND told_by_before != told_by
        AND time_before >= subtractSeconds(time, 2)
        AND (response_id = '' OR response_before = '')
    )
GROUP BY provider, model, service_tier, region, scope, api_key
ORDER BY provider, model, service_tier, region, scope, api_key
SETTINGS do_not_merge_across_partitions_select_final = 1
