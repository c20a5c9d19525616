-- What does the ledger say of these LLM calls, as far as their caches are concerned?
-- Parameters: project.
-- Table: asked (hour UInt32, trace_id String, entry_id String): entries, their traces and the hours in
--   which they begin, UTC start hours in UNIX seconds.
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
    AND (toStartOfHour(time), trace_id, entry_id) IN (
        SELECT toDateTime(hour, 'UTC'), trace_id, entry_id FROM asked
    )
WHERE is_deleted = 0
    AND kind = 'llm'
    AND usage_source NOT IN ('aggregate', 'metric')
    AND input_tokens > 0
