-- What do the prices of these entries depend on, and what are they now?
-- Parameters: project; first_hour, last_hour (UTC start hours, UNIX seconds, both inclusive);
--   from_ns, to_ns (UTC nanoseconds, half open); is_narrowed (1: only these names), providers,
--   models, request_models (three lists of one length); parts, part: of an hour with very many
--   entries, the part-th of so many equal parts; reasons: names of the flags that say why an entry
--   is unpriced.
-- Result: one row per model call that holds; time UTC, costs in USD; reason: why it is unpriced.
-- Relies on the sort key of ledger (project, start hour, trace_id, entry_id).
SELECT
    time,
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
    output_tokens,
    reasoning_tokens,
    audio_input_tokens,
    audio_output_tokens,
    image_tokens,
    image_output_tokens,
    cache_read_audio_tokens,
    web_searches,
    usage_source,
    attempts,
    price_status,
    price_id,
    contract_id,
    uncached_cost_usd,
    cache_read_cost_usd,
    cache_write_cost_usd,
    output_cost_usd,
    fees_cost_usd,
    total_cost_usd,
    list_cost_usd,
    billed_price_id,
    billed_cost_usd,
    arrayFirst(flag -> has({reasons:Array(String)}, flag), flags) AS reason
FROM ledger FINAL
WHERE project = {project:String}
    AND toStartOfHour(time) >= toDateTime({first_hour:UInt32}, 'UTC')
    AND toStartOfHour(time) <= toDateTime({last_hour:UInt32}, 'UTC')
    AND time >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')
    AND time < fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
    AND (
        {is_narrowed:UInt8} = 0
        OR (provider, model, request_model) IN (
            SELECT name.1, name.2, name.3
            FROM
            (
                SELECT arrayJoin(
                    arrayZip(
                        {providers:Array(String)},
                        {models:Array(String)},
                        {request_models:Array(String)}
                    )
                ) AS name
            )
        )
    )
    AND cityHash64(entry_id) % {parts:UInt32} = {part:UInt32}
    AND kind IN ('llm', 'embedding')
    AND is_deleted = 0
