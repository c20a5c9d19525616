-- Which ledger entries was a span counted in, and how was each priced?
-- Parameters: project; trace_id; span_id; hours_s: unix seconds, the hours of the trace and, for
-- calls whose primary span lies in another trace, their neighbours; is_wide: look in other traces.
-- Columns: entry_id, kind, time_ns (unix), primary_trace_id, primary_span_id, is_primary, what the
-- price depends on (provider, model, request_model, service_tier, region, tokens by class),
-- usage_source, price_status, price_id, contract_id, cost by part in USD (NULL: unknown), list_cost_usd
-- (before the contract), billed_price_id and billed_cost_usd (as first priced), reported_cost_usd,
-- attempts (NULL: not told), dialects, flags, source_span_ids ("trace_id:span_id", primary first).
-- One row per entry.
-- Sort key used: (project, toStartOfHour(time), trace_id); without trace_id where is_wide.
SELECT
    entry_id,
    kind,
    toUnixTimestamp64Nano(time) AS time_ns,
    trace_id AS primary_trace_id,
    span_id AS primary_span_id,
    (trace_id, span_id) = ({trace_id:String}, {span_id:String}) AS is_primary,
    provider,
    model,
    request_model,
    service_tier,
    region,
    usage_source,
    price_status,
    price_id,
    contract_id,
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
    list_cost_usd,
    billed_price_id,
    billed_cost_usd,
    reported_cost_usd,
    attempts,
    dialects,
    flags,
    arrayMap(s -> concat(s.1, ':', s.2), source_spans) AS source_span_ids
FROM ledger_current
WHERE project = {project:String}
    AND toStartOfHour(time) IN (SELECT toDateTime(arrayJoin({hours_s:Array(UInt32)}), 'UTC'))
    AND ({is_wide:Bool} OR trace_id = {trace_id:String})
    AND (
        (trace_id = {trace_id:String} AND span_id = {span_id:String})
        OR has(source_spans, ({trace_id:String}, {span_id:String}))
    )
ORDER BY is_primary DESC, time, entry_id
