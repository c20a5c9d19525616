-- What did each agent, model … cost over days, and how did its calls go?
-- Parameters: as in dashboard_entities: project, entity, within, name, text, from_s, current_s, to_s,
-- bucket_s, page_size; entity and within are columns of usage_hourly, times lie on hours, bucket_s is
-- a multiple of 3600.
-- Columns: those of dashboard_entities, but for percentiles: duration_counts, ttft_counts,
-- speed_counts are histograms as in usage_hourly; first_ms and last_ms are on whole seconds. One row
-- per name with entries.
-- Sort key used: (project, hour).
SELECT
    name,
    count() OVER () AS names,
    sum(step.calls) AS calls,
    sum(step.llm_calls) AS llm_calls,
    sum(step.errors) AS errors,
    sum(step.unpriced_calls) AS unpriced_calls,
    sum(step.calls_without_usage) AS calls_without_usage,
    sum(step.self_hosted_calls) AS self_hosted_calls,
    sum(step.input_tokens) AS input_tokens,
    sum(step.uncached_tokens) AS uncached_tokens,
    sum(step.cache_read_tokens) AS cache_read_tokens,
    sum(step.cache_write_tokens) AS cache_write_tokens,
    sum(step.output_tokens) AS output_tokens,
    sum(step.cost_usd) AS total_cost_usd,
    sumIf(step.cost_usd, bucket_s < {current_s:Int64}) AS complete_usd,
    sum(step.fees_usd) AS fees_cost_usd,
    sumMap(step.duration_counts) AS duration_counts,
    sumMap(step.ttft_counts) AS ttft_counts,
    sumMap(step.speed_counts) AS speed_counts,
    arraySort(arrayFilter(p -> p != '', groupUniqArrayArray(step.providers))) AS providers,
    toUnixTimestamp(min(step.first)) * 1000 AS first_ms,
    toUnixTimestamp(max(step.last)) * 1000 AS last_ms,
    groupArray((bucket_s, toFloat64(step.cost_usd))) AS trend
FROM
(
    SELECT
        {entity:Identifier} AS name,
        intDiv(toUnixTimestamp(hour), {bucket_s:UInt32}) * {bucket_s:UInt32} AS bucket_s,
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
        sum(used.total_cost_usd) AS cost_usd,
        sum(used.fees_cost_usd) AS fees_usd,
        sumMap(used.duration_counts) AS duration_counts,
        sumMap(used.ttft_counts) AS ttft_counts,
        sumMap(used.speed_counts) AS speed_counts,
        groupUniqArray(5)(provider) AS providers,
        min(first_time) AS first,
        max(last_time) AS last
    FROM usage_hourly AS used FINAL
    WHERE project = {project:String}
        AND hour >= toDateTime({from_s:Int64}, 'UTC')
        AND hour < toDateTime({to_s:Int64}, 'UTC')
        AND {within:Identifier} = {name:String}
        AND ({text:String} = '' OR positionCaseInsensitiveUTF8({entity:Identifier}, {text:String}) > 0)
        AND is_deleted = 0
    GROUP BY name, bucket_s
) AS step
GROUP BY name
ORDER BY total_cost_usd DESC, calls DESC, name
LIMIT {page_size:UInt32}
