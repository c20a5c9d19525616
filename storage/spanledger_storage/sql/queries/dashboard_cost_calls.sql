-- What was used and what did it cost, by up to two columns of the ledger, over time?
-- Parameters: project; from_s, to_s: unix seconds, half open; also_from_s, also_to_s: a second
-- period apart from it, 0 and 0: none; starts: of the buckets, unix seconds, ascending; first,
-- second: the columns that tell keys apart (project: they do not); model, provider, agent, service,
-- environment, kind, version, workflow, user, session, task, requested, tier, region, status,
-- error: values that are let through, empty: all; rank_by: the sum (one of the columns below) that
-- decides which keys are named; top: how many; is_paired:
-- 0: second is not looked at.
-- Columns: bucket_s (its start, unix), is_rest (1: all keys that are not named, together), first,
-- second (empty for the rest), rank (1: the largest), keys (how many there are, over all buckets),
-- then sums: those of dashboard_cost_hourly. One row per bucket and named key, and one per bucket
-- for the rest; by rank, then bucket.
-- A key's cells are put aside as an array while keys are ranked: there are many more cells.
-- Counts mean what they mean in usage_hourly. An entry known from metrics stands for as many calls
-- as its attempts say, at least one.
-- Sort key used: (project, toStartOfHour(time)).
WITH
    kind IN ('llm', 'embedding') AS is_model,
    if(is_model, if(usage_source = 'metric', greatest(ifNull(attempts, 1), 1), 1), 0) AS stands_for
SELECT
    sums.1 AS bucket_s,
    key_rank > {top:UInt32} AS is_rest,
    if(is_rest, '', ranked.first) AS first,
    if(is_rest, '', ranked.second) AS second,
    min(key_rank) AS rank,
    max(key_count) AS keys,
    sum(sums.2) AS calls,
    sum(sums.3) AS errors,
    sum(sums.4) AS unpriced_calls,
    sum(sums.5) AS calls_without_usage,
    sum(sums.6) AS self_hosted_calls,
    sum(sums.7) AS input_tokens,
    sum(sums.8) AS uncached_tokens,
    sum(sums.9) AS cache_read_tokens,
    sum(sums.10) AS cache_write_tokens,
    sum(sums.11) AS output_tokens,
    sum(sums.12) AS reasoning_tokens,
    sum(sums.13) AS tokens,
    sum(sums.14) AS total_cost_usd
FROM
(
    SELECT
        *,
        row_number() OVER (ORDER BY weight DESC, keyed.first, keyed.second) AS key_rank,
        count() OVER () AS key_count
    FROM
    (
        SELECT
            cell.first AS first,
            cell.second AS second,
            sum(multiIf(
                {rank_by:String} = 'calls', toDecimal128(cell.calls, 12),
                {rank_by:String} = 'errors', toDecimal128(cell.errors, 12),
                {rank_by:String} = 'input_tokens', toDecimal128(cell.input_tokens, 12),
                {rank_by:String} = 'uncached_tokens', toDecimal128(cell.uncached_tokens, 12),
                {rank_by:String} = 'cache_read_tokens', toDecimal128(cell.cache_read_tokens, 12),
                {rank_by:String} = 'cache_write_tokens', toDecimal128(cell.cache_write_tokens, 12),
                {rank_by:String} = 'output_tokens', toDecimal128(cell.output_tokens, 12),
                {rank_by:String} = 'reasoning_tokens', toDecimal128(cell.reasoning_tokens, 12),
                {rank_by:String} = 'tokens', toDecimal128(cell.tokens, 12),
                {rank_by:String} = 'total_cost_usd', toDecimal128(cell.total_cost_usd, 12),
                toDecimal128(0, 12)
            )) AS weight,
            groupArray((
                cell.bucket_s, cell.calls, cell.errors, cell.unpriced_calls, cell.calls_without_usage,
                cell.self_hosted_calls, cell.input_tokens, cell.uncached_tokens, cell.cache_read_tokens,
                cell.cache_write_tokens, cell.output_tokens, cell.reasoning_tokens, cell.tokens, cell.total_cost_usd
            )) AS cells
        FROM
        (
            SELECT
                roundDown(toUInt32(toUnixTimestamp(time)), {starts:Array(UInt32)}) AS bucket_s,
                toString({first:Identifier}) AS first,
                if({is_paired:UInt8}, toString({second:Identifier}), '') AS second,
                sum(stands_for) AS calls,
                countIf(status = 'error' AND is_model) AS errors,
                sumIf(greatest(stands_for, 1), price_status = 'unpriced' AND usage_source != 'none') AS unpriced_calls,
                countIf(usage_source = 'none' AND status != 'error' AND is_model) AS calls_without_usage,
                sumIf(stands_for, price_status = 'self_hosted' AND usage_source != 'none') AS self_hosted_calls,
                sum(ifNull(entry.input_tokens, 0)) AS input_tokens,
                sum(ifNull(entry.uncached_tokens, 0)) AS uncached_tokens,
                sum(ifNull(entry.cache_read_tokens, 0)) AS cache_read_tokens,
                sum(ifNull(entry.cache_write_tokens, 0)) AS cache_write_tokens,
                sum(ifNull(entry.output_tokens, 0)) AS output_tokens,
                sum(ifNull(entry.reasoning_tokens, 0)) AS reasoning_tokens,
                sum(ifNull(entry.input_tokens, 0) + ifNull(entry.output_tokens, 0)) AS tokens,
                sum(ifNull(entry.total_cost_usd, 0)) AS total_cost_usd
            FROM ledger_current AS entry
            WHERE project = {project:String}
                AND (
                    (time >= toDateTime({from_s:Int64}, 'UTC') AND time < toDateTime({to_s:Int64}, 'UTC'))
                    OR (time >= toDateTime({also_from_s:Int64}, 'UTC') AND time < toDateTime({also_to_s:Int64}, 'UTC'))
                )
                AND (empty({model:Array(String)}) OR has({model:Array(String)}, model))
                AND (empty({provider:Array(String)}) OR has({provider:Array(String)}, provider))
                AND (empty({agent:Array(String)}) OR has({agent:Array(String)}, agent_name))
                AND (empty({service:Array(String)}) OR has({service:Array(String)}, service_name))
                AND (empty({environment:Array(String)}) OR has({environment:Array(String)}, environment))
                AND (empty({kind:Array(String)}) OR has({kind:Array(String)}, kind))
                AND (empty({version:Array(String)}) OR has({version:Array(String)}, agent_version))
                AND (empty({workflow:Array(String)}) OR has({workflow:Array(String)}, workflow_name))
                AND (empty({user:Array(String)}) OR has({user:Array(String)}, user_id))
                AND (empty({session:Array(String)}) OR has({session:Array(String)}, session_id))
                AND (empty({task:Array(String)}) OR has({task:Array(String)}, task_id))
                AND (empty({requested:Array(String)}) OR has({requested:Array(String)}, request_model))
                AND (empty({tier:Array(String)}) OR has({tier:Array(String)}, service_tier))
                AND (empty({region:Array(String)}) OR has({region:Array(String)}, region))
                AND (empty({status:Array(String)}) OR has({status:Array(String)}, status))
                AND (empty({error:Array(String)}) OR has({error:Array(String)}, error_type))
            GROUP BY bucket_s, first, second
        ) AS cell
        GROUP BY first, second
    ) AS keyed
) AS ranked
ARRAY JOIN ranked.cells AS sums
GROUP BY bucket_s, is_rest, first, second
ORDER BY is_rest, rank, bucket_s
