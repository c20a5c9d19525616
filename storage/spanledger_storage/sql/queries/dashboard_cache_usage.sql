-- What did prompt caches do, per bucket of time, provider, model and agent?
-- Parameters: project; from_s and to_s: unix seconds, the second one excluded; bucket_s: seconds
--   per bucket, counted from from_s.
-- Columns: bucket_s (unix seconds), provider, model, agent_name, calls, unknown_calls (the provider's
--   cache counts were not reported), unpriced_calls, input_tokens, read_tokens, write_tokens,
--   write_1h_tokens, eligible_tokens (of requests as long as the provider's
--   minimum, and of those that did read),
--   full_usd, read_saving_usd, write_extra_usd (NULL: nothing is priced),
--   read_factor, write_5m_factor, write_1h_factor (of one of the calls), losses (calls), lost_tokens,
--   lost_usd, shared_tokens and smaller_tokens (of requests compared within a lane).
-- Sort key used: (project, toStartOfHour(time), ...).
SELECT
    {from_s:Int64} + intDiv(toUnixTimestamp(time) - {from_s:Int64}, {bucket_s:Int64})
        * {bucket_s:Int64} AS bucket_s,
    provider,
    model,
    agent_name,
    count() AS calls,
    countIf(cache_calls.cache_read_tokens IS NULL) AS unknown_calls,
    countIf(cache_calls.full_cost_usd IS NULL) AS unpriced_calls,
    sum(cache_calls.input_tokens) AS input_tokens,
    sum(ifNull(cache_read_tokens, 0)) AS read_tokens,
    sum(ifNull(cache_write_tokens, 0)) AS write_tokens,
    sum(ifNull(cache_write_1h_tokens, 0)) AS write_1h_tokens,
    sumIf(
        cache_calls.input_tokens,
        cache_calls.input_tokens >= minimum_tokens OR cache_read_tokens > 0
    ) AS eligible_tokens,
    sum(full_cost_usd) AS full_usd,
    sum(cache_calls.read_saving_usd) AS read_saving_usd,
    sum(cache_calls.write_extra_usd) AS write_extra_usd,
    any(cache_calls.read_factor) AS read_factor,
    any(cache_calls.write_5m_factor) AS write_5m_factor,
    any(cache_calls.write_1h_factor) AS write_1h_factor,
    countIf(cache_calls.lost_tokens > 0) AS losses,
    sum(cache_calls.lost_tokens) AS lost_tokens,
    sum(cache_calls.lost_usd) AS lost_usd,
    sumIf(cache_calls.shared_tokens, is_opener = 0) AS shared_tokens,
    sumIf(cache_calls.smaller_tokens, is_opener = 0) AS smaller_tokens
FROM cache_calls FINAL
WHERE project = {project:String}
    AND toStartOfHour(time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
    AND toStartOfHour(time) <= toStartOfHour(toDateTime({to_s:Int64}, 'UTC'))
    AND time >= toDateTime({from_s:Int64}, 'UTC')
    AND time < toDateTime({to_s:Int64}, 'UTC')
    AND is_deleted = 0
GROUP BY bucket_s, provider, model, agent_name
ORDER BY bucket_s, provider, model, agent_name
SETTINGS do_not_merge_across_partitions_select_final = 1
