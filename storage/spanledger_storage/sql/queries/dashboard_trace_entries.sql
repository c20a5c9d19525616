-- What do the calls of a trace cost, and on which spans were they seen?
-- Parameters: project; trace_id; hours_s: unix seconds, from dashboard_trace_hours.
-- Columns: span_id (primary), kind, total_cost_usd (NULL: unknown), cost_micro, cost_rest (the same
-- in whole micro-dollars, exact below nine billion dollars, and the picodollars that remain),
-- price_status, usage_source, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
-- cache_write_1h_tokens, merged_span_ids (the other spans of this trace the call was seen in),
-- sources (all spans it was seen in, other traces included). One row per ledger entry.
-- Sort key used: (project, toStartOfHour(time), trace_id).
SELECT
    span_id,
    kind,
    total_cost_usd,
    -- No whole number of 64 bits holds every amount in picodollars.
    toFloat64(floor(total_cost_usd * 1000000)) AS cost_micro,
    toUInt32((total_cost_usd * 1000000 - floor(total_cost_usd * 1000000)) * 1000000) AS cost_rest,
    price_status,
    usage_source,
    input_tokens,
    output_tokens,
    cache_read_tokens,
    cache_write_tokens,
    cache_write_1h_tokens,
    arrayFilter(
        s -> s != span_id,
        arrayMap(s -> s.2, arrayFilter(s -> s.1 = {trace_id:String}, source_spans))
    ) AS merged_span_ids,
    toUInt32(length(source_spans)) AS sources
FROM ledger_current
WHERE project = {project:String}
    AND toStartOfHour(time) IN (SELECT toDateTime(arrayJoin({hours_s:Array(UInt32)}), 'UTC'))
    AND trace_id = {trace_id:String}
ORDER BY time, span_id
