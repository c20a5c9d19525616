-- Why was input paid again that had been cached, dearest first?
-- Parameters: project; from_s and to_s: unix seconds, the second one excluded.
-- Columns: agent_name, segment_kind, cause, detail, calls, lost_tokens, lost_usd (NULL: no price),
--   last_s (unix seconds). dashboard_cache_examples has the calls.
-- Sort key used: (project, toStartOfHour(time), ...).
SELECT
    agent_name,
    segment_kind,
    cause,
    detail,
    count() AS calls,
    sum(cache_calls.lost_tokens) AS lost_tokens,
    sum(cache_calls.lost_usd) AS lost_usd,
    toUnixTimestamp(max(time)) AS last_s
FROM cache_calls FINAL
WHERE project = {project:String}
    AND toStartOfHour(time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
    AND toStartOfHour(time) <= toStartOfHour(toDateTime({to_s:Int64}, 'UTC'))
    AND time >= toDateTime({from_s:Int64}, 'UTC')
    AND time < toDateTime({to_s:Int64}, 'UTC')
    AND cache_calls.lost_tokens > 0
    AND is_deleted = 0
GROUP BY agent_name, segment_kind, cause, detail
ORDER BY lost_usd DESC NULLS LAST, lost_tokens DESC, agent_name, cause, segment_kind, detail
LIMIT 500
SETTINGS do_not_merge_across_partitions_select_final = 1
