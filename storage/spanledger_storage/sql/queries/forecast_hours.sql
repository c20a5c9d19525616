-- What did each agent spend in each hour?
-- Parameters: project; from_s, to_s: unix seconds, half open.
-- Result: one row per start_s (UNIX seconds) and agent: cost_usd (of what is priced); sorted by both.
-- Relies on the sort key of usage_hourly (project, hour, ...).
SELECT
    toInt64(toUnixTimestamp(hour)) AS start_s,
    toString(agent_name) AS agent,
    sum(total_cost_usd) AS cost_usd
FROM usage_hourly FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND hour >= toDateTime({from_s:Int64}, 'UTC')
    AND hour < toDateTime({to_s:Int64}, 'UTC')
GROUP BY start_s, agent
ORDER BY start_s, agent
