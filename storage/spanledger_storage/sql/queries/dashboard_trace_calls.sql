-- What did each call of a trace cost, and of which spans was it put together?
-- Parameters: project; trace_id; hours_s: unix seconds, from dashboard_trace_hours.
-- Columns: span_id (primary), kind, agent_name, model, input_tokens, cache_read_tokens,
-- output_tokens, total_cost_usd (NULL: unknown), usage_source, price_status, attempts (NULL: not
-- told), merged_span_ids (the other spans of this trace it was seen in). One row per ledger entry.
-- Sort key used: (project, toStartOfHour(time), trace_id).
SELECT
    span_id,
    kind,
    agent_name,
    model,
    input_tokens,
    cache_read_tokens,
    output_tokens,
    total_cost_usd,
    usage_source,
    price_status,
    attempts,
    arrayFilter(
        s -> s != span_id,
        arrayMap(s -> s.2, arrayFilter(s -> s.1 = {trace_id:String}, source_spans))
    ) AS merged_span_ids
FROM ledger_current
WHERE project = {project:String}
    AND toStartOfHour(time) IN (SELECT toDateTime(arrayJoin({hours_s:Array(UInt32)}), 'UTC'))
    AND trace_id = {trace_id:String}
ORDER BY time, span_id
