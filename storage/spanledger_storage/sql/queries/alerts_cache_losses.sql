-- Why was input of a model paid again that had been cached, and in which traces?
-- Parameters: project, provider, model, agent; from_s, to_s: unix seconds, half open.
-- Columns: cause (names in docs/cache.md), lost_tokens, lost_usd (NULL: no price), trace_ids (of the calls
-- that lost most). One row per cause, the dearest first, three at most.
-- Sort key used: cache_calls (project, hour).
SELECT
    cause,
    sum(cache_calls.lost_tokens) AS lost_tokens,
    sum(cache_calls.lost_usd) AS lost_usd,
    arrayDistinct(arrayMap(
        pair -> pair.2,
        groupArraySorted(50)((-toInt64(cache_calls.lost_tokens), trace_id))
    )) AS trace_ids
FROM cache_calls FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND toStartOfHour(time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
    AND time >= toDateTime({from_s:Int64}, 'UTC')
    AND time < toDateTime({to_s:Int64}, 'UTC')
    AND provider = {provider:String}
    AND model = {model:String}
    AND agent_name = {agent:String}
    AND cache_calls.lost_tokens > 0
GROUP BY cause
ORDER BY lost_usd DESC NULLS LAST, lost_tokens DESC, cause
LIMIT 3
SETTINGS max_execution_time = 2
