-- What did these traces pay for, each call once?
-- Parameters: project.
-- Table: asked (hour UInt32, trace_id String): hours in which traces have spans, UTC start hours
--   in UNIX seconds.
-- Result: one row per entry of the ledger; kind: as there, sum where only a sum over calls is known;
--   times in UTC nanoseconds, costs in USD; others: ids of the other spans of the trace it was seen
--   in, with spaces between.
-- Relies on the sort key of ledger (project, start hour, trace_id, entry_id).
SELECT
    if(usage_source IN ('aggregate', 'metric'), 'sum', toString(kind)) AS kind,
    trace_id,
    span_id,
    toUnixTimestamp64Nano(time) AS start_ns,
    duration_ns,
    ttft_ns,
    provider,
    model,
    status,
    error_type,
    input_tokens,
    cache_read_tokens,
    cache_write_tokens,
    output_tokens,
    total_cost_usd,
    uncached_cost_usd,
    cache_read_cost_usd,
    output_cost_usd,
    fees_cost_usd,
    arrayStringConcat(
        arrayMap(s -> s.2, arrayFilter(s -> s.1 = trace_id AND s.2 != span_id, source_spans)), ' '
    ) AS others
FROM ledger FINAL
PREWHERE project = {project:String}
    AND (toStartOfHour(time), trace_id) IN (SELECT toDateTime(hour, 'UTC'), trace_id FROM asked)
WHERE is_deleted = 0
