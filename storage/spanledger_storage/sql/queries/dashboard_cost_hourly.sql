-- What was used and what did it cost, by up to two columns of the hourly usage, over time?
-- Parameters: project; from_s, to_s: unix seconds, half open, on hours; also_from_s, also_to_s: a
-- second period apart from it, 0 and 0: none; starts: of the buckets, unix seconds, ascending;
-- first, second: the columns that tell keys apart (project: they do not); model, provider, agent,
-- service, environment, kind: values that are let through, empty: all; rank_by: the sum (one of the
-- columns below) that decides which keys are named; top: how many.
-- Columns: bucket_s (its start, unix), is_rest (1: all keys that are not named, together), first,
-- second (empty for the rest), rank (1: the largest), keys (how many there are, over all buckets),
-- then sums: calls, errors, unpriced_calls, calls_without_usage, self_hosted_calls, tokens by
-- class, tokens (input and output), total_cost_usd (what is priced). One row per bucket and named
-- key, and one per bucket for the rest; by rank, then bucket.
-- Sort key used: (project, hour).
SELECT
    bucket_s,
    key_rank > {top:UInt32} AS is_rest,
    if(is_rest, '', ranked.first) AS first,
    if(is_rest, '', ranked.second) AS second,
    min(key_rank) AS rank,
    max(key_count) AS keys,
    sum(ranked.calls) AS calls,
    sum(ranked.errors) AS errors,
    sum(ranked.unpriced_calls) AS unpriced_calls,
    sum(ranked.calls_without_usage) AS calls_without_usage,
    sum(ranked.self_hosted_calls) AS self_hosted_calls,
    sum(ranked.input_tokens) AS input_tokens,
    sum(ranked.uncached_tokens) AS uncached_tokens,
    sum(ranked.cache_read_tokens) AS cache_read_tokens,
    sum(ranked.cache_write_tokens) AS cache_write_tokens,
    sum(ranked.output_tokens) AS output_tokens,
    sum(ranked.reasoning_tokens) AS reasoning_tokens,
    sum(ranked.tokens) AS tokens,
    sum(ranked.total_cost_usd) AS total_cost_usd
FROM
(
    SELECT
        *,
        dense_rank() OVER (ORDER BY weight DESC, weighed.first, weighed.second) AS key_rank,
        max(key_number) OVER () AS key_count
    FROM
    (
        SELECT
            *,
            dense_rank() OVER (ORDER BY cell.first, cell.second) AS key_number,
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
            )) OVER (PARTITION BY cell.first, cell.second) AS weight
        FROM
        (
            SELECT
                roundDown(toUnixTimestamp(hour), {starts:Array(UInt32)}) AS bucket_s,
                toString({first:Identifier}) AS first,
                toString({second:Identifier}) AS second,
                sum(usage_hourly.calls) AS calls,
                sum(usage_hourly.errors) AS errors,
                sum(usage_hourly.unpriced_calls) AS unpriced_calls,
                sum(usage_hourly.calls_without_usage) AS calls_without_usage,
                sum(usage_hourly.self_hosted_calls) AS self_hosted_calls,
                sum(usage_hourly.input_tokens) AS input_tokens,
                sum(usage_hourly.uncached_tokens) AS uncached_tokens,
                sum(usage_hourly.cache_read_tokens) AS cache_read_tokens,
                sum(usage_hourly.cache_write_tokens) AS cache_write_tokens,
                sum(usage_hourly.output_tokens) AS output_tokens,
                sum(usage_hourly.reasoning_tokens) AS reasoning_tokens,
                sum(usage_hourly.input_tokens + usage_hourly.output_tokens) AS tokens,
                sum(usage_hourly.total_cost_usd) AS total_cost_usd
            FROM usage_hourly FINAL
            WHERE project = {project:String}
                AND is_deleted = 0
                AND (
                    (hour >= toDateTime({from_s:Int64}, 'UTC') AND hour < toDateTime({to_s:Int64}, 'UTC'))
                    OR (hour >= toDateTime({also_from_s:Int64}, 'UTC') AND hour < toDateTime({also_to_s:Int64}, 'UTC'))
                )
                AND (empty({model:Array(String)}) OR has({model:Array(String)}, model))
                AND (empty({provider:Array(String)}) OR has({provider:Array(String)}, provider))
                AND (empty({agent:Array(String)}) OR has({agent:Array(String)}, agent_name))
                AND (empty({service:Array(String)}) OR has({service:Array(String)}, service_name))
                AND (empty({environment:Array(String)}) OR has({environment:Array(String)}, environment))
                AND (empty({kind:Array(String)}) OR has({kind:Array(String)}, kind))
            GROUP BY bucket_s, first, second
        ) AS cell
    ) AS weighed
) AS ranked
GROUP BY bucket_s, is_rest, first, second
ORDER BY is_rest, rank, bucket_s
