-- Which attributes did one span carry, as it was received?
-- Parameters: project; trace_id; span_id; hours_s: unix seconds, from dashboard_trace_hours.
-- Columns: attributes, resource_attributes. One row, none when the span does not exist.
-- Sort key used: (project, toStartOfHour(start_time), trace_id).
SELECT
    attributes,
    resource_attributes
FROM spans
WHERE project = {project:String}
    AND toStartOfHour(start_time) IN (SELECT toDateTime(arrayJoin({hours_s:Array(UInt32)}), 'UTC'))
    AND trace_id = {trace_id:String}
    AND span_id = {span_id:String}
ORDER BY version DESC
LIMIT 1
