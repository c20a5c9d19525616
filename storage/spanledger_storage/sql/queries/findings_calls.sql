-- What do these traces' calls of models and paid tools cost, each once?
-- Parameters: project; hours (UTC start hours, UNIX seconds) and trace_ids, two lists of one
--   length: pair i is one hour in which one trace has spans.
-- Result: one row per single call; times in UTC nanoseconds, costs in USD; others: ids of the other
--   spans of the trace it was seen in, with spaces between.
-- Relies on the sort key of ledger (project, start hour, trace_id, entry_id).
SELECT
    kind,
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
    arrayStringConcat(
        arrayMap(s -> s.2, arrayFilter(s -> s.1 = trace_id AND s.2 != span_id, source_spans)), ' '
    ) AS others
FROM ledger FINAL
PREWHERE project = {project:String} AND trace_id IN {trace_ids:Array(String)}
WHERE is_deleted = 0
    AND kind IN ('llm', 'tool')
    AND usage_source NOT IN ('aggregate', 'metric')
    AND (toStartOfHour(time), trace_id) IN (
        SELECT toDateTime(pair.1, 'UTC'), pair.2
        FROM (SELECT arrayJoin(arrayZip({hours:Array(UInt32)}, {trace_ids:Array(String)})) AS pair)
    )
