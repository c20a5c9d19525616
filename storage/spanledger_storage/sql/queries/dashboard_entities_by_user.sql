-- What did each user cost over days, and how did their calls go?
-- Parameters: as in dashboard_entities: project, entity, within, name, text, from_s, current_s, to_s,
-- bucket_s, page_size; entity and within are columns of usage_by_user, times lie on hours, bucket_s is
-- a multiple of 3600.
-- Columns: those of dashboard_entities, but for percentiles, which dashboard_entities_latency tells;
-- first_ms and last_ms are on whole seconds, trend has all steps. One row per name with entries.
-- The trend is summed in one pass: groups by name and step would be sixty times as many.
-- Sort key used: (project, hour).
SELECT
    {entity:Identifier} AS name,
    count() OVER () AS names,
    sum(used.calls) AS calls,
    sumIf(used.calls, kind = 'llm') AS llm_calls,
    sum(used.errors) AS errors,
    sum(used.unpriced_calls) AS unpriced_calls,
    sum(used.calls_without_usage) AS calls_without_usage,
    sum(used.self_hosted_calls) AS self_hosted_calls,
    sum(used.input_tokens) AS input_tokens,
    sum(used.uncached_tokens) AS uncached_tokens,
    sum(used.cache_read_tokens) AS cache_read_tokens,
    sum(used.cache_write_tokens) AS cache_write_tokens,
    sum(used.output_tokens) AS output_tokens,
    sum(used.total_cost_usd) AS total_cost_usd,
    sumIf(used.total_cost_usd, hour < toDateTime({current_s:Int64}, 'UTC')) AS complete_usd,
    sum(used.fees_cost_usd) AS fees_cost_usd,
    arraySort(arrayFilter(p -> p != '', groupUniqArray(5)(provider))) AS providers,
    toUnixTimestamp(min(first_time)) * 1000 AS first_ms,
    toUnixTimestamp(max(last_time)) * 1000 AS last_ms,
    arrayZip(
        range({from_s:UInt32}, {to_s:UInt32}, {bucket_s:UInt32}),
        arrayMap(
            usd -> toFloat64(usd),
            sumResample({from_s:UInt32}, {to_s:UInt32}, {bucket_s:UInt32})(used.total_cost_usd, toUnixTimestamp(hour))
        )
    ) AS trend
FROM usage_by_user AS used FINAL
WHERE project = {project:String}
    AND hour >= toDateTime({from_s:Int64}, 'UTC')
    AND hour < toDateTime({to_s:Int64}, 'UTC')
    AND {within:Identifier} = {name:String}
    AND ({text:String} = '' OR positionCaseInsensitiveUTF8({entity:Identifier}, {text:String}) > 0)
    AND is_deleted = 0
GROUP BY name
ORDER BY total_cost_usd DESC, calls DESC, name
LIMIT {page_size:UInt32}
