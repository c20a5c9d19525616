-- What was spent in each hour?
-- Parameters: project; from_s, to_s: unix seconds, half open, on hours.
-- Columns: start_s (unix), cost_usd (of what is priced). One row per hour with calls.
-- Sort key used: (project, hour).
SELECT
    toInt64(toUnixTimestamp(hour)) AS start_s,
    sum(total_cost_usd) AS cost_usd
FROM usage_hourly FINAL
WHERE project = {project:String}
    AND hour >= toDateTime({from_s:Int64}, 'UTC')
    AND hour < toDateTime({to_s:Int64}, 'UTC')
    AND is_deleted = 0
GROUP BY start_s
ORDER BY start_s
