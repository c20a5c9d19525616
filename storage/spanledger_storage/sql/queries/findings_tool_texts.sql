-- What did some spans of some traces ask of their tools?
-- Parameters: project; trace_ids; hours (UTC start hours, UNIX seconds); span_ids; longest:
--   characters of each text.
-- Result: one row per stored version of a span, the newest last: trace_id, span_id, arguments.
-- Relies on the sort key of spans (project, start hour, trace_id, ...).
SELECT
    trace_id,
    span_id,
    substringUTF8(tool_arguments, 1, {longest:UInt32}) AS arguments
FROM spans
PREWHERE project = {project:String}
    AND trace_id IN {trace_ids:Array(String)}
    AND span_id IN {span_ids:Array(String)}
WHERE toStartOfHour(start_time) IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
ORDER BY version
