-- What did some spans of a trace ask of their tools, and what came back?
-- Parameters: project; trace_id; hours_s: unix seconds, from dashboard_trace_hours; span_ids.
-- Columns: span_id, tool_arguments, tool_result (the first 2,000 characters of each). One row per
-- span that exists.
-- Sort key used: (project, toStartOfHour(start_time), trace_id).
SELECT
    span_id,
    substringUTF8(tool_arguments, 1, 2000) AS tool_arguments,
    substringUTF8(tool_result, 1, 2000) AS tool_result
FROM spans FINAL
WHERE project = {project:String}
    AND toStartOfHour(start_time) IN (SELECT toDateTime(arrayJoin({hours_s:Array(UInt32)}), 'UTC'))
    AND trace_id = {trace_id:String}
    AND span_id IN {span_ids:Array(String)}
