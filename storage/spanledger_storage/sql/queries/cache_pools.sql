-- Whose input costs most, and at which places do its prompts change?
-- Parameters: project; from_s and to_s: unix seconds, the second one excluded; pools: how many.
-- Result: one row per pool: pool, agent_name, provider, model, calls, full_usd (what the input would
--   cost without a cache; NULL: no price), unstable (places of segments of the head that changed).
-- Relies on the sort key of cache_calls (project, start hour, ...).
SELECT
    toString(pool) AS pool,
    any(cache_calls.agent_name) AS agent_name,
    any(cache_calls.provider) AS provider,
    any(cache_calls.model) AS model,
    count() AS calls,
    sum(full_cost_usd) AS full_usd,
    groupUniqArrayIf(4)(
        shared_segments,
        cause IN ('tools_reordered', 'tools_changed', 'system_changed', 'prompt_changed')
        OR (cause = 'dynamic_text' AND segment_kind != 'message')
    ) AS unstable
FROM cache_calls FINAL
WHERE project = {project:String}
    AND toStartOfHour(time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
    AND time >= toDateTime({from_s:Int64}, 'UTC')
    AND time < toDateTime({to_s:Int64}, 'UTC')
    AND is_deleted = 0
GROUP BY pool
HAVING sum(segments) > 0
ORDER BY full_usd DESC NULLS LAST, calls DESC, pool
LIMIT {pools:UInt32}
