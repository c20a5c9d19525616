-- Which costs of GPUs did deletions keep of an hour, without saying whose they were?
-- Parameters: project; hour (UTC start hour, UNIX seconds).
-- Result: one row per request: trace_id and span_id (pseudonyms of its span), start_ns, end_ns (UTC,
--   when it was on the GPUs, also before and after the hour), price_ids, cost_usd (in the hour, all
--   GPUs together), method, worker ('': not known); input_tokens, cache_read_tokens and output_tokens
--   of its call, NULL where the ledger has none.
-- Relies on the sort key of ledger (project, start hour, trace_id, entry_id); what comes before
--   FINAL may only ask for columns of that key.
WITH kept AS
(
    SELECT
        if(empty(source_spans), (entry_id, ''), source_spans[1]) AS span,
        kind, time, duration_ns, usage_source, price_id, total_cost_usd, flags, source_spans,
        input_tokens, cache_read_tokens, output_tokens
    FROM ledger FINAL
    PREWHERE project = {project:String}
        AND toStartOfHour(time) >= toDateTime({hour:Int64} - 3600, 'UTC')
        AND toStartOfHour(time) <= toDateTime({hour:Int64} + 3600, 'UTC')
    WHERE is_deleted = 0
        AND has(flags, 'deleted')
)
SELECT
    request.span.1 AS trace_id,
    request.span.2 AS span_id,
    request.start_ns AS start_ns,
    request.end_ns AS end_ns,
    request.price_ids AS price_ids,
    request.cost_usd AS cost_usd,
    request.method AS method,
    request.worker AS worker,
    call.input_tokens AS input_tokens,
    call.cache_read_tokens AS cache_read_tokens,
    call.output_tokens AS output_tokens
FROM
(
    SELECT
        kept.span AS span,
        min(toUnixTimestamp64Nano(time)) AS start_ns,
        max(toUnixTimestamp64Nano(time) + toInt64(duration_ns)) AS end_ns,
        arraySort(groupUniqArray(toString(price_id))) AS price_ids,
        sumIf(total_cost_usd, toStartOfHour(time) = toDateTime({hour:Int64}, 'UTC')) AS cost_usd,
        toString(any(usage_source)) AS method,
        any(substring(arrayFirst(flag -> startsWith(flag, 'worker:'), flags), 8)) AS worker
    FROM kept
    WHERE kind = 'gpu'
    GROUP BY span
    HAVING cost_usd > 0
) AS request
LEFT JOIN
(
    SELECT
        view AS span,
        any(input_tokens) AS input_tokens,
        any(cache_read_tokens) AS cache_read_tokens,
        any(output_tokens) AS output_tokens
    FROM kept
    ARRAY JOIN source_spans AS view
    WHERE kind IN ('llm', 'embedding')
    GROUP BY view
) AS call ON call.span = request.span
ORDER BY trace_id, span_id
SETTINGS join_use_nulls = 1, prefer_column_name_to_alias = 1
