-- What did each agent, model, user … cost, and how did its calls go?
-- Parameters: project; entity: the column of ledger that tells them apart; within, name: only
-- entries whose column "within" holds "name" (project and the project: all of them); text: part of
-- what they are called, empty: any; from_s, current_s, to_s: unix seconds, what is shown, of which
-- only what lies before current_s is over; bucket_s: seconds per step of the trend; page_size:
-- rows, the dearest.
-- Columns: name; names (how many there are), calls, llm_calls, errors, unpriced_calls,
-- calls_without_usage, self_hosted_calls, tokens by class, total_cost_usd (what is priced),
-- complete_usd (of it, what is over), fees_cost_usd; percentiles over calls whose own duration is known, interpolated, NULL:
-- none: latency_p50_ns, latency_p95_ns, latency_p99_ns, ttft_p50_ns, ttft_p95_ns, ttft_p99_ns;
-- tokens_per_s (median of output tokens per second of a call); providers; first_ms, last_ms (unix
-- ms of the first and last call); trend (start of the step, dollars). One row per name with calls.
-- Calls are model calls; the money is of all kinds. An entry known from metrics stands for as many
-- calls as its attempts say, at least one.
-- Sort key used: (project, toStartOfHour(time)).
WITH
    kind IN ('llm', 'embedding') AS is_model,
    if(is_model, if(usage_source = 'metric', greatest(ifNull(attempts, 1), 1), 1), 0) AS stands_for,
    is_model AND duration_ns > 0 AND usage_source NOT IN ('metric', 'aggregate') AS is_timed,
    arrayMap(q -> if(isNaN(q), NULL, toInt64(round(q))), quantilesExactInclusiveMerge(0.5, 0.95, 0.99)(step.latency)) AS latency,
    arrayMap(q -> if(isNaN(q), NULL, toInt64(round(q))), quantilesExactInclusiveMerge(0.5, 0.95, 0.99)(step.ttft)) AS ttft,
    quantileExactInclusiveMerge(0.5)(step.speed) AS speed
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
    latency[1] AS latency_p50_ns,
    latency[2] AS latency_p95_ns,
    latency[3] AS latency_p99_ns,
    ttft[1] AS ttft_p50_ns,
    ttft[2] AS ttft_p95_ns,
    ttft[3] AS ttft_p99_ns,
    if(isNaN(speed), NULL, speed) AS tokens_per_s,
    arraySort(arrayFilter(p -> p != '', groupUniqArrayArray(step.providers))) AS providers,
    toUnixTimestamp64Milli(toDateTime64(min(step.first), 3, 'UTC')) AS first_ms,
    toUnixTimestamp64Milli(toDateTime64(max(step.last), 3, 'UTC')) AS last_ms,
    groupArray((bucket_s, toFloat64(step.cost_usd))) AS trend
FROM
(
    SELECT
        {entity:Identifier} AS name,
        intDiv(toUnixTimestamp(time), {bucket_s:UInt32}) * {bucket_s:UInt32} AS bucket_s,
        sum(stands_for) AS calls,
        sumIf(stands_for, kind = 'llm') AS llm_calls,
        countIf(status = 'error' AND is_model) AS errors,
        sumIf(greatest(stands_for, 1), price_status = 'unpriced' AND usage_source != 'none') AS unpriced_calls,
        countIf(usage_source = 'none' AND status != 'error' AND is_model) AS calls_without_usage,
        sumIf(stands_for, price_status = 'self_hosted' AND usage_source != 'none') AS self_hosted_calls,
        ifNull(sum(entry.input_tokens), 0) AS input_tokens,
        ifNull(sum(entry.uncached_tokens), 0) AS uncached_tokens,
        ifNull(sum(entry.cache_read_tokens), 0) AS cache_read_tokens,
        ifNull(sum(entry.cache_write_tokens), 0) AS cache_write_tokens,
        ifNull(sum(entry.output_tokens), 0) AS output_tokens,
        ifNull(sum(entry.total_cost_usd), 0) AS cost_usd,
        ifNull(sum(entry.fees_cost_usd), 0) AS fees_usd,
        quantilesExactInclusiveStateIf(0.5, 0.95, 0.99)(duration_ns, is_timed) AS latency,
        quantilesExactInclusiveStateIf(0.5, 0.95, 0.99)(assumeNotNull(ttft_ns), is_timed AND ttft_ns IS NOT NULL) AS ttft,
        quantileExactInclusiveStateIf(0.5)(
            assumeNotNull(entry.output_tokens) * 1e9 / greatest(duration_ns, 1),
            is_timed AND entry.output_tokens > 0
        ) AS speed,
        groupUniqArray(5)(provider) AS providers,
        min(time) AS first,
        max(time) AS last
    FROM ledger_current AS entry
    WHERE project = {project:String}
        AND time >= toDateTime({from_s:Int64}, 'UTC')
        AND time < toDateTime({to_s:Int64}, 'UTC')
        AND {within:Identifier} = {name:String}
        AND ({text:String} = '' OR positionCaseInsensitiveUTF8({entity:Identifier}, {text:String}) > 0)
    GROUP BY name, bucket_s
) AS step
GROUP BY name
ORDER BY total_cost_usd DESC, calls DESC, name
LIMIT {page_size:UInt32}
