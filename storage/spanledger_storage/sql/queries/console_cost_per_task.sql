-- What does a finished task cost, by agent and outcome?
-- Parameters: project, from, to: as in the pickers above.
-- Columns: agent_name, outcome, traces, median_usd, p95_usd, total_usd (of those that are priced).
-- One row per agent and outcome.
-- Sort key used: (project, toStartOfHour(start_time)).
SELECT
    agent_name,
    outcome,
    count() AS traces,
    round(quantileExact(0.5)(total_cost_usd), 6) AS median_usd,
    round(quantileExact(0.95)(total_cost_usd), 6) AS p95_usd,
    sum(total_cost_usd) AS total_usd
FROM traces FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND status = 'closed'
    AND start_time >= {from:DateTime} AND start_time < {to:DateTime}
GROUP BY agent_name, outcome
ORDER BY total_usd DESC NULLS LAST
