-- Which tools are slow, and which fail?
-- Parameters: project, from, to: as in the pickers above.
-- Columns: tool_name, calls, failed, p50_ms, p95_ms. One row per tool.
-- Sort key used: (project, toStartOfHour(start_time)).
SELECT
    tool_name,
    count() AS calls,
    countIf(tool_outcome = 'error') AS failed,
    round(quantile(0.5)(duration_ns) / 1e6, 1) AS p50_ms,
    round(quantile(0.95)(duration_ns) / 1e6, 1) AS p95_ms
FROM spans
WHERE project = {project:String}
    AND toStartOfHour(start_time) >= toStartOfHour({from:DateTime})
    AND start_time >= {from:DateTime} AND start_time < {to:DateTime}
    AND role = 'tool' AND NOT has(flags, 'pending')
GROUP BY tool_name
ORDER BY p95_ms DESC
