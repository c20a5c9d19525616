-- What did the calls of a day use and cost, by everything providers' reports tell apart?
-- Parameters: project; from_s, to_s: unix seconds, half open, whole UTC days; boundaries: sizes of
--   request (input tokens) above which some provider charges more, ascending; dimensions, values,
--   scopes, keys: four lists of one length: entries whose dimension has the value are of the
--   provider's scope or key (empty: not said).
-- Columns: day (days since 1970), kind, provider, model, service_tier, region, scope, api_key,
--   bucket (how many of boundaries the input exceeds; 0 of sums over calls), calls; of calls:
--   without_input, without_output (tokens that are not known), cut (streams that failed after an
--   answer began), extra_attempts, crossing (ended on a later day), unpriced; tokens by class:
--   X, X_unpriced, X_retried (times extra attempts), X_crossing, and their dollars, X_retried_usd and X_crossing_usd, with X in uncached, cache_read,
--   cache_write, output; write_5m, write_1h (tokens whose lifetime is told), media (tokens of audio
--   and images), web_searches; fee_requests (calls with a fee that did not
--   search); USD: X_usd, fees_usd (request_fees_usd: of these calls), total_usd, list_usd (of what is priced).
--   One row per day and everything before calls. What the reconciliation itself posted is left out.
-- Sort key used: ledger (project, toStartOfHour(time), ...).
SELECT
    toUInt32(intDiv(toUnixTimestamp(toDateTime(time, 'UTC')), 86400)) AS day,
    toString(kind) AS kind,
    toString(provider) AS provider,
    toString(model) AS model,
    toString(service_tier) AS service_tier,
    toString(region) AS region,
    if(dimensions['provider_scope'] != '', dimensions['provider_scope'], {scopes:Array(String)}[rule_of_scope]) AS scope,
    if(dimensions['provider_key'] != '', dimensions['provider_key'], {keys:Array(String)}[rule_of_key]) AS api_key,
    toUInt8(if(usage_source IN ('metric', 'aggregate'), 0, arrayCount(size -> ifNull(input_tokens, 0) > size, {boundaries:Array(UInt64)}))) AS bucket,
    sum(if(usage_source = 'metric', ifNull(attempts, 1), 1)) AS calls,
    countIf(input_tokens IS NULL) AS without_input,
    countIf(output_tokens IS NULL OR usage_source = 'estimated') AS without_output,
    countIf(stream AND status = 'error' AND response_id != '') AS cut,
    sum(retries) AS extra_attempts,
    countIf(is_crossing) AS crossing,
    countIf(is_unpriced) AS unpriced,
    sum(ifNull(uncached_tokens, 0)) AS uncached,
    sumIf(ifNull(uncached_tokens, 0), is_unpriced) AS uncached_unpriced,
    sum(ifNull(uncached_tokens, 0) * retries) AS uncached_retried,
    sumIf(ifNull(uncached_tokens, 0), is_crossing) AS uncached_crossing,
    sum(ifNull(uncached_cost_usd, 0) * retries) AS uncached_retried_usd,
    sumIf(ifNull(uncached_cost_usd, 0), is_crossing) AS uncached_crossing_usd,
    sum(ifNull(cache_read_tokens, 0)) AS cache_read,
    sumIf(ifNull(cache_read_tokens, 0), is_unpriced) AS cache_read_unpriced,
    sum(ifNull(cache_read_tokens, 0) * retries) AS cache_read_retried,
    sumIf(ifNull(cache_read_tokens, 0), is_crossing) AS cache_read_crossing,
    sum(ifNull(cache_read_cost_usd, 0) * retries) AS cache_read_retried_usd,
    sumIf(ifNull(cache_read_cost_usd, 0), is_crossing) AS cache_read_crossing_usd,
    sum(ifNull(cache_write_tokens, 0)) AS cache_write,
    sumIf(ifNull(cache_write_tokens, 0), is_unpriced) AS cache_write_unpriced,
    sum(ifNull(cache_write_tokens, 0) * retries) AS cache_write_retried,
    sumIf(ifNull(cache_write_tokens, 0), is_crossing) AS cache_write_crossing,
    sum(ifNull(cache_write_cost_usd, 0) * retries) AS cache_write_retried_usd,
    sumIf(ifNull(cache_write_cost_usd, 0), is_crossing) AS cache_write_crossing_usd,
    sum(ifNull(output_tokens, 0)) AS output,
    sumIf(ifNull(output_tokens, 0), is_unpriced) AS output_unpriced,
    sum(ifNull(output_tokens, 0) * retries) AS output_retried,
    sumIf(ifNull(output_tokens, 0), is_crossing) AS output_crossing,
    sum(ifNull(output_cost_usd, 0) * retries) AS output_retried_usd,
    sumIf(ifNull(output_cost_usd, 0), is_crossing) AS output_crossing_usd,
    sum(ifNull(cache_write_5m_tokens, 0)) AS write_5m,
    sum(ifNull(cache_write_1h_tokens, 0)) AS write_1h,
    sum(ifNull(audio_input_tokens, 0) + ifNull(audio_output_tokens, 0) + ifNull(image_tokens, 0) + ifNull(image_output_tokens, 0)) AS media,
    sum(ifNull(web_searches, 0)) AS web_searches,
    sumIf(if(usage_source = 'metric', greatest(ifNull(attempts, 1), 1), 1), is_request_fee) AS fee_requests,
    sum(ifNull(uncached_cost_usd, 0)) AS uncached_usd,
    sum(ifNull(cache_read_cost_usd, 0)) AS cache_read_usd,
    sum(ifNull(cache_write_cost_usd, 0)) AS cache_write_usd,
    sum(ifNull(output_cost_usd, 0)) AS output_usd,
    sum(ifNull(fees_cost_usd, 0)) AS fees_usd,
    sumIf(ifNull(fees_cost_usd, 0), is_request_fee) AS request_fees_usd,
    sum(ifNull(total_cost_usd, 0)) AS total_usd,
    sum(if(total_cost_usd IS NULL, 0, ifNull(list_cost_usd, total_cost_usd))) AS list_usd
FROM
(
    SELECT
        *,
        if(usage_source = 'metric', 0, greatest(ifNull(attempts, 1), 1) - 1) AS retries,
        kind IN ('llm', 'embedding') AND total_cost_usd IS NULL AS is_unpriced,
        ifNull(fees_cost_usd, 0) != 0 AND ifNull(web_searches, 0) = 0 AS is_request_fee,
        kind IN ('llm', 'embedding')
            AND toDate(time, 'UTC') != toDate(addNanoseconds(time, toInt64(least(duration_ns, 604800000000000))), 'UTC') AS is_crossing,
        arrayFirstIndex((name, value, scope) -> scope != '' AND dimensions[name] = value, {dimensions:Array(String)}, {values:Array(String)}, {scopes:Array(String)}) AS rule_of_scope,
        arrayFirstIndex((name, value, key) -> key != '' AND dimensions[name] = value, {dimensions:Array(String)}, {values:Array(String)}, {keys:Array(String)}) AS rule_of_key
    FROM ledger_current
    WHERE project = {project:String}
        AND toStartOfHour(time) >= toDateTime({from_s:Int64}, 'UTC')
        AND toStartOfHour(time) < toDateTime({to_s:Int64}, 'UTC')
        AND kind != 'adjustment'
)
GROUP BY day, kind, provider, model, service_tier, region, scope, api_key, bucket
ORDER BY day, kind, provider, model, service_tier, region, scope, api_key, bucket
SETTINGS do_not_merge_across_partitions_select_final = 1
