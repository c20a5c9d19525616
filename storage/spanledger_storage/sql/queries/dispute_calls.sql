-- Which calls are in dispute? Ids, times, tokens and our arithmetic; nothing that was said in them.
-- Parameters: project; from_s, to_s: unix seconds, half open, whole hours; providers, models, tiers,
--   regions, scopes_of, keys_of: six lists of one length, by which calls are chosen; token_class:
--   only calls with any of it, or of which it is not known (empty: all); over_tokens, up_to_tokens:
--   size of request, the lower bound not included; dimensions, values, scopes, keys: four lists of
--   one length: entries whose dimension has the value are of the provider's scope or key (empty: not
--   said).
-- Columns: time_ns (start, UTC), end_ns, trace_id, span_id, request_id, response_id, provider, model,
--   request_model, service_tier, region, scope, api_key, status, error_type, stream, attempts, kind,
--   usage_source, tokens by class, web_searches, USD by class, fees_cost_usd, total_cost_usd,
--   price_status, price_id, contract_id. One row per call, by time.
-- Sort key used: ledger (project, toStartOfHour(time), ...).
SELECT
    toUnixTimestamp64Nano(time) AS time_ns,
    toUnixTimestamp64Nano(time) + toInt64(least(duration_ns, 604800000000000)) AS end_ns,
    trace_id,
    span_id,
    request_id,
    response_id,
    toString(provider) AS provider,
    toString(model) AS model,
    toString(request_model) AS request_model,
    toString(service_tier) AS service_tier,
    toString(region) AS region,
    scope,
    api_key,
    toString(status) AS status,
    toString(error_type) AS error_type,
    stream,
    attempts,
    toString(kind) AS kind,
    toString(usage_source) AS usage_source,
    input_tokens,
    uncached_tokens,
    cache_read_tokens,
    cache_write_tokens,
    cache_write_5m_tokens,
    cache_write_1h_tokens,
    output_tokens,
    reasoning_tokens,
    audio_input_tokens,
    audio_output_tokens,
    image_tokens,
    image_output_tokens,
    cache_read_audio_tokens,
    web_searches,
    uncached_cost_usd,
    cache_read_cost_usd,
    cache_write_cost_usd,
    output_cost_usd,
    fees_cost_usd,
    total_cost_usd,
    toString(price_status) AS price_status,
    toString(price_id) AS price_id,
    toString(contract_id) AS contract_id
FROM
(
    SELECT
        *,
        if(dimensions['provider_scope'] != '', dimensions['provider_scope'], {scopes:Array(String)}[arrayFirstIndex((name, value, scope) -> scope != '' AND dimensions[name] = value, {dimensions:Array(String)}, {values:Array(String)}, {scopes:Array(String)})]) AS scope,
        if(dimensions['provider_key'] != '', dimensions['provider_key'], {keys:Array(String)}[arrayFirstIndex((name, value, key) -> key != '' AND dimensions[name] = value, {dimensions:Array(String)}, {values:Array(String)}, {keys:Array(String)})]) AS api_key
    FROM ledger_current
    WHERE project = {project:String}
        AND toStartOfHour(time) >= toDateTime({from_s:Int64}, 'UTC')
        AND toStartOfHour(time) < toDateTime({to_s:Int64}, 'UTC')
        AND kind IN ('llm', 'embedding', 'tool')
)
WHERE (provider, model, service_tier, region, scope, api_key) IN (
        SELECT arrayJoin(arrayZip({providers:Array(String)}, {models:Array(String)}, {tiers:Array(String)}, {regions:Array(String)}, {scopes_of:Array(String)}, {keys_of:Array(String)}))
    )
    AND toInt64(ifNull(input_tokens, 0)) > {over_tokens:Int64}
    AND toInt64(ifNull(input_tokens, 0)) <= {up_to_tokens:Int64}
    AND multiIf(
        {token_class:String} = 'uncached', kind != 'tool' AND (ifNull(uncached_tokens, 0) > 0 OR uncached_tokens IS NULL),
        {token_class:String} = 'cache_read', ifNull(cache_read_tokens, 0) > 0,
        startsWith({token_class:String}, 'cache_write'), ifNull(cache_write_tokens, 0) > 0,
        {token_class:String} = 'output', kind != 'tool' AND (ifNull(output_tokens, 0) > 0 OR output_tokens IS NULL),
        {token_class:String} = 'web_search', ifNull(web_searches, 0) > 0,
        {token_class:String} = 'tool', kind = 'tool' OR ifNull(fees_cost_usd, 0) != 0,
        1
    )
ORDER BY time_ns, span_id
