-- What did each agent spend in a part of an hour?
-- Parameters: project; from_s, to_s: unix seconds, half open, within one hour.
-- Result: one row per agent: cost_usd (of what is priced).
-- Relies on the sort key of ledger (project, start hour, ...).
SELECT
    toString(agent_name) AS agent,
    sum(ifNull(total_cost_usd, 0)) AS cost_usd
FROM ledger_current
WHERE project = {project:String}
    AND toStartOfHour(time) = toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
    AND time >= toDateTime({from_s:Int64}, 'UTC')
    AND time < toDateTime({to_s:Int64}, 'UTC')
GROUP BY agent
