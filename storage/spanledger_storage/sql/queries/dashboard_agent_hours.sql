-- What did each agent spend in each hour? For forecasts.
-- Parameters: project; from_s, to_s: unix seconds, half open, on hours; month_s: unix seconds, the dearest
--   agents since then are told apart, the rest is one; most: how many agents.
-- Columns: start_s (unix), agent_name, is_rest (1: all other agents), cost_usd (of what is priced).
-- Sort key used: (project, hour).
WITH dearest AS (
    SELECT agent_name
    FROM usage_hourly FINAL
    WHERE project = {project:String}
        AND hour >= toStartOfHour(toDateTime({month_s:Int64}, 'UTC'))
        AND hour < toDateTime({to_s:Int64}, 'UTC')
        AND is_deleted = 0
    GROUP BY agent_name
    HAVING sum(total_cost_usd) > 0
    ORDER BY sum(total_cost_usd) DESC, agent_name
    LIMIT {most:UInt32}
)
SELECT
    toInt64(toUnixTimestamp(hour)) AS start_s,
    if(usage_hourly.agent_name IN (SELECT agent_name FROM dearest), toString(usage_hourly.agent_name), '') AS agent_name,
    usage_hourly.agent_name NOT IN (SELECT agent_name FROM dearest) AS is_rest,
    sum(total_cost_usd) AS cost_usd
FROM usage_hourly FINAL
WHERE project = {project:String}
    AND hour >= toDateTime({from_s:Int64}, 'UTC')
    AND hour < toDateTime({to_s:Int64}, 'UTC')
    AND is_deleted = 0
GROUP BY start_s, agent_name, is_rest
ORDER BY start_s, agent_name, is_rest
