-- What did a part of a project spend in each hour, and was anything received at all?
-- Parameters: project; within, name: only usage whose column "within" of usage_hourly holds "name"
--   (project and the project: all of it); from_s, to_s: unix seconds, half open, on hours.
-- Columns: start_s (unix), cost_usd (of what is priced), calls (of the part), all_calls (of the project).
--   One row per hour with calls in the project.
-- Sort key used: (project, hour).
SELECT
    toInt64(toUnixTimestamp(hour)) AS start_s,
    sumIf(total_cost_usd, {within:Identifier} = {name:String}) AS cost_usd,
    sumIf(usage_hourly.calls, {within:Identifier} = {name:String}) AS calls,
    sum(usage_hourly.calls) AS all_calls
FROM usage_hourly FINAL
WHERE project = {project:String}
    AND hour >= toDateTime({from_s:Int64}, 'UTC')
    AND hour < toDateTime({to_s:Int64}, 'UTC')
    AND is_deleted = 0
GROUP BY start_s
ORDER BY start_s
