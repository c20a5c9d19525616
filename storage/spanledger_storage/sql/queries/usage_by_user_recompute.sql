-- Write the hourly usage by user of these hours anew from the ledger.
-- Parameters: project; hours (UTC, UNIX seconds); version: greater than any written before.
-- Result: none; one row per hour, user, kind, provider, model, agent, service and environment is
--   written. Keys that no longer occur keep their old rows: usage_by_user_remove_vanished follows.
--   Sums are those of usage_recompute; and those calls and tokens that have a price by class.
-- Relies on the sort key of ledger (project, start hour, ...).
INSERT INTO usage_by_user
WITH
    kind IN ('llm', 'embedding') AS is_model,
    if(is_model, if(usage_source = 'metric', greatest(ifNull(attempts, 1), 1), 1), 0) AS stands_for,
    price_status = 'priced' AND (ledger.uncached_cost_usd IS NOT NULL OR ledger.output_cost_usd IS NOT NULL) AS has_parts,
    ledger.input_tokens IS NOT NULL AS has_input -- else a class alone is known, and no share of it
SELECT
    project,
    toStartOfHour(time) AS hour,
    user_id,
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
    sum(ifNull(ledger.uncached_cost_usd, 0)) AS uncached_cost_usd,
    sum(ifNull(ledger.cache_read_cost_usd, 0)) AS cache_read_cost_usd,
    sum(ifNull(ledger.cache_write_cost_usd, 0)) AS cache_write_cost_usd,
    sum(ifNull(ledger.output_cost_usd, 0)) AS output_cost_usd,
    sumIf(stands_for, has_parts) AS priced_calls,
    sumIf(ifNull(ledger.uncached_tokens, 0), has_parts AND has_input) AS priced_uncached_tokens,
    sumIf(ifNull(ledger.cache_read_tokens, 0), has_parts AND has_input) AS priced_cache_read_tokens,
    sumIf(ifNull(ledger.cache_write_tokens, 0), has_parts AND has_input) AS priced_cache_write_tokens,
    sumIf(ifNull(ledger.output_tokens, 0), has_parts) AS priced_output_tokens,
    toDateTime(min(time), 'UTC') AS first_time,
    toDateTime(max(time), 'UTC') AS last_time,
    0 AS is_deleted,
    {version:UInt64} AS version
FROM ledger FINAL
WHERE ledger.project = {project:String}
    AND ledger.is_deleted = 0
    AND toStartOfHour(time) IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
GROUP BY project, hour, user_id, kind, provider, model, agent_name, service_name, environment
SETTINGS max_partitions_per_insert_block = 0
