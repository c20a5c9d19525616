-- What did some spans of a trace ask of their tools, and what came back?
-- Parameters: project; trace_id; hours (UTC start hours, UNIX seconds); span_ids; longest: characters
--   of each text.
-- Result: one row per stored version of a span, the newest last: span_id, arguments, result.
-- Relies on the sort key of spans (project, start hour, trace_id, ...).
SELECT
    span_id,
    substringUTF8(tool_arguments, 1, {longest:UInt32}) AS arguments,
    substringUTF8(tool_result, 1, {longest:UInt32}) AS result
FROM spans
PREWHERE project = {project:String}
    AND trace_id = {trace_id:String}
    AND span_id IN {span_ids:Array(String)}
WHERE toStartOfHour(start_time) IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
ORDER BY version
