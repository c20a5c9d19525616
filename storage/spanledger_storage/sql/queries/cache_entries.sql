-- What does the ledger say of these LLM calls, as far as their caches are concerned?
-- Parameters: project; hours (UTC start hours, UNIX seconds), trace_ids and entry_ids, three lists of
--   one length: triple i is an entry, its trace and the hour in which it begins.
-- Result: one row per single call with known input; time_ns in UTC nanoseconds, costs in USD.
-- Relies on the sort key of ledger (project, start hour, trace_id, entry_id).
SELECT
    entry_id,
    toUnixTimestamp64Nano(time) AS time_ns,
    duration_ns,
    ttft_ns,
    trace_id,
    span_id,
    session_id,
    agent_name,
    service_name,
    environment,
    provider,
    model,
    request_model,
    service_tier,
    region,
    input_tokens,
    cache_read_tokens,
    cache_write_tokens,
    cache_write_5m_tokens,
    cache_write_1h_tokens,
    audio_input_tokens,
    image_tokens,
    cache_read_audio_tokens,
    price_status,
    price_id,
    contract_id,
    uncached_cost_usd,
    cache_read_cost_usd,
    cache_write_cost_usd,
    source_spans
FROM ledger FINAL
PREWHERE project = {project:String}
    AND trace_id IN {trace_ids:Array(String)}
    AND entry_id IN {entry_ids:Array(String)}
WHERE is_deleted = 0
    AND kind = 'llm'
    AND usage_source NOT IN ('aggregate', 'metric')
    AND input_tokens > 0
    AND (toStartOfHour(time), trace_id) IN (
        SELECT toDateTime(pair.1, 'UTC'), pair.2
        FROM (SELECT arrayJoin(arrayZip({hours:Array(UInt32)}, {trace_ids:Array(String)})) AS pair)
    )
