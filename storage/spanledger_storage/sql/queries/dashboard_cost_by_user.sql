-- What was used and what did it cost, by users and up to one more column, over time?
-- Parameters: as in dashboard_cost_hourly: project, from_s, to_s, also_from_s, also_to_s, starts,
-- first, second, model, provider, agent, service, environment, kind, rank_by, top; first and second
-- are columns of usage_by_user; user: those that are let through, empty: all; is_paired: 0: second
-- is not looked at.
-- Columns and rows: those of dashboard_cost_hourly.
-- A key's cells are put aside as an array while keys are ranked: there are many more cells.
-- Sort key used: (project, hour).
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
                roundDown(toUnixTimestamp(hour), {starts:Array(UInt32)}) AS bucket_s,
                toString({first:Identifier}) AS first,
                if({is_paired:UInt8}, toString({second:Identifier}), '') AS second,
                sum(used.calls) AS calls,
                sum(used.errors) AS errors,
                sum(used.unpriced_calls) AS unpriced_calls,
                sum(used.calls_without_usage) AS calls_without_usage,
                sum(used.self_hosted_calls) AS self_hosted_calls,
                sum(used.input_tokens) AS input_tokens,
                sum(used.uncached_tokens) AS uncached_tokens,
                sum(used.cache_read_tokens) AS cache_read_tokens,
                sum(used.cache_write_tokens) AS cache_write_tokens,
                sum(used.output_tokens) AS output_tokens,
                sum(used.reasoning_tokens) AS reasoning_tokens,
                sum(used.input_tokens + used.output_tokens) AS tokens,
                sum(used.total_cost_usd) AS total_cost_usd
            FROM usage_by_user AS used FINAL
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
                AND (empty({user:Array(String)}) OR has({user:Array(String)}, user_id))
            GROUP BY bucket_s, first, second
        ) AS cell
        GROUP BY first, second
    ) AS keyed
) AS ranked
ARRAY JOIN ranked.cells AS sums
GROUP BY bucket_s, is_rest, first, second
ORDER BY is_rest, rank, bucket_s
