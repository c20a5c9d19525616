-- Which traces cost the most?
-- Parameters: project, from, to: as in the pickers above.
-- Columns: trace_id, name, agent_name, start_time (UTC), duration_s, llm_calls, cost_usd. One row per trace.
-- Sort key used: (project, toStartOfHour(start_time)).
SELECT
    trace_id,
    name,
    agent_name,
    start_time,
    duration_ns / 1e9 AS duration_s,
    llm_calls,
    total_cost_usd AS cost_usd
FROM traces FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND start_time >= {from:DateTime} AND start_time < {to:DateTime}
ORDER BY cost_usd DESC NULLS LAST
LIMIT 50
