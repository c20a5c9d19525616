-- Write the hourly usage of these hours anew from the ledger.
-- Parameters: project; hours (UTC, UNIX seconds); version: greater than any written before.
-- Result: none; one row per hour, kind, provider, model, agent, service and environment is
--   written. Keys that no longer occur keep their old rows: usage_remove_vanished follows.
--   Calls are model calls; the money is of all kinds. An entry known from metrics stands for as
--   many calls as its attempts say, at least one.
-- Relies on the sort key of ledger (project, start hour, ...).
INSERT INTO usage_hourly
WITH
    kind IN ('llm', 'embedding') AS is_model,
    if(is_model, if(usage_source = 'metric', greatest(ifNull(attempts, 1), 1), 1), 0) AS stands_for,
    is_model AND ledger.duration_ns > 0 AND usage_source NOT IN ('metric', 'aggregate') AS is_timed,
    ifNull(ledger.output_tokens, 0) * 1e9 / greatest(ledger.duration_ns, 1) AS tokens_per_s
SELECT
    project,
    toStartOfHour(time) AS hour,
    kind,
    provider,
    model,
    agent_name,
    service_name,
    environment,
    sum(stands_for) AS calls,
    countIf(status = 'error' AND is_model) AS errors,
    sumIf(greatest(stands_for, 1), usage_source != 'none' AND price_status = 'unpriced') AS unpriced_calls,
    countIf(usage_source = 'none' AND status != 'error' AND is_model) AS calls_without_usage,
    sumIf(stands_for, price_status = 'self_hosted' AND usage_source != 'none') AS self_hosted_calls,
    sum(ifNull(ledger.input_tokens, 0)) AS input_tokens,
    sum(ifNull(ledger.uncached_tokens, 0)) AS uncached_tokens,
    sum(ifNull(ledger.cache_read_tokens, 0)) AS cache_read_tokens,
    sum(ifNull(ledger.cache_write_tokens, 0)) AS cache_write_tokens,
    sum(ifNull(ledger.output_tokens, 0)) AS output_tokens,
    sum(ifNull(ledger.reasoning_tokens, 0)) AS reasoning_tokens,
    sum(ifNull(ledger.total_cost_usd, 0)) AS total_cost_usd,
    sum(ifNull(ledger.fees_cost_usd, 0)) AS fees_cost_usd,
    least(sum(toUInt128(ledger.duration_ns)), 18446744073709551615)::UInt64 AS duration_ns,
    sumMapIf(map(toInt16(floor(log2(greatest(ledger.duration_ns, 1)) * 32)), 1::UInt64), is_timed) AS duration_counts,
    sumMapIf(map(toInt16(floor(log2(greatest(ifNull(ttft_ns, 1), 1)) * 32)), 1::UInt64), is_timed AND ttft_ns IS NOT NULL) AS ttft_counts,
    sumMapIf(map(toInt16(floor(log2(greatest(tokens_per_s, 1e-6)) * 32)), 1::UInt64), is_timed AND ledger.output_tokens > 0) AS speed_counts,
    toDateTime(min(time), 'UTC') AS first_time,
    toDateTime(max(time), 'UTC') AS last_time,
    0 AS is_deleted,
    {version:UInt64} AS version
FROM ledger FINAL
WHERE ledger.project = {project:String}
    AND ledger.is_deleted = 0
    AND toStartOfHour(time) IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
GROUP BY project, hour, kind, provider, model, agent_name, service_name, environment
SETTINGS max_partitions_per_insert_block = 0
