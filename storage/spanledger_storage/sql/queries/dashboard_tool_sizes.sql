-- How much goes into a tool, and how much comes out?
-- Parameters: project; tool; from_s, to_s: unix seconds, half open.
-- Columns: arguments, results: (p50, p95, largest) in bytes over spans that tell them; spans: how
-- many tell either. What has only started is left out. One row.
-- Sort key used: (project, toStartOfHour(start_time)).
SELECT
    quantilesExactInclusiveIf(0.5, 0.95, 1)(toFloat64(length(tool_arguments)), tool_arguments != '') AS arguments,
    quantilesExactInclusiveIf(0.5, 0.95, 1)(toFloat64(length(tool_result)), tool_result != '') AS results,
    countIf(tool_arguments != '' OR tool_result != '') AS spans
FROM spans
PREWHERE role = 'tool' AND tool_name = {tool:String}
WHERE project = {project:String}
    AND start_time >= toDateTime({from_s:Int64}, 'UTC')
    AND start_time < toDateTime({to_s:Int64}, 'UTC')
    AND NOT has(flags, 'pending')
