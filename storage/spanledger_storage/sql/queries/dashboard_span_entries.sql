-- Which ledger entries was a span counted in, and how was each priced?
-- Parameters: project; trace_id; span_id; hours_s: unix seconds, the hours of the trace and, for
-- calls whose primary span lies in another trace, their neighbours.
-- Columns: entry_id, kind, primary_trace_id, primary_span_id, is_primary, provider, model, service_tier,
-- usage_source, price_status, price_id, tokens by class, cost by part in USD (NULL: unknown),
-- reported_cost_usd, dialects, source_span_ids ("trace_id:span_id", primary first). One row per entry.
-- Sort key used: (project, toStartOfHour(time)).
SELECT
    entry_id,
    kind,
    trace_id AS primary_trace_id,
    span_id AS primary_span_id,
    (trace_id, span_id) = ({trace_id:String}, {span_id:String}) AS is_primary,
    provider,
    model,
    service_tier,
    usage_source,
    price_status,
    price_id,
    input_tokens,
    uncached_tokens,
    cache_read_tokens,
    cache_write_tokens,
    output_tokens,
    reasoning_tokens,
    uncached_cost_usd,
    cache_read_cost_usd,
    cache_write_cost_usd,
    output_cost_usd,
    total_cost_usd,
    reported_cost_usd,
    dialects,
    arrayMap(s -> concat(s.1, ':', s.2), source_spans) AS source_span_ids
FROM ledger_current
WHERE project = {project:String}
    AND toStartOfHour(time) IN (SELECT toDateTime(arrayJoin({hours_s:Array(UInt32)}), 'UTC'))
    AND (
        (trace_id = {trace_id:String} AND span_id = {span_id:String})
        OR has(source_spans, ({trace_id:String}, {span_id:String}))
    )
ORDER BY is_primary DESC, time, entry_id
