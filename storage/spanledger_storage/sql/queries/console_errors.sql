-- Which errors happen, where, and how often?
-- Parameters: project, from, to: as in the pickers above.
-- Columns: error_type, span, times, traces, last_seen (UTC), a_trace_id (one to look at). One row per
-- kind of error and name of span.
-- Sort key used: (project, toStartOfHour(start_time)).
SELECT
    error_type,
    name AS span,
    count() AS times,
    uniqExact(trace_id) AS traces,
    max(start_time) AS last_seen,
    argMax(trace_id, start_time) AS a_trace_id
FROM spans
WHERE project = {project:String}
    AND toStartOfHour(start_time) >= toStartOfHour({from:DateTime})
    AND start_time >= {from:DateTime} AND start_time < {to:DateTime}
    AND status = 'error'
GROUP BY error_type, span
ORDER BY times DESC
LIMIT 100
