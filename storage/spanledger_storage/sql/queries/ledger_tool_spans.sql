-- Which spans of tools did these services record in a stretch of time? (rule R9)
-- Parameters: project; hours (UTC start hours, UNIX seconds) to look in; services; from_ns and to_ns
--   (UTC ns), which the spans must overlap; is_root: 1 for spans that begin a trace, 0 for others.
-- Result: one row per stored version of a span; times in UTC nanoseconds.
-- Relies on the sort key of spans (project, start hour, ...).
SELECT
    trace_id,
    service_name,
    tool_name,
    toUnixTimestamp64Nano(start_time) AS start_ns,
    toUnixTimestamp64Nano(end_time) AS end_ns
FROM spans
PREWHERE role = 'tool' AND empty(parent_span_id) = {is_root:UInt8}
WHERE project = {project:String}
    AND toStartOfHour(start_time) IN (
        SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC')
    )
    AND service_name IN {services:Array(String)}
    AND tool_name != ''
    AND start_ns <= {to_ns:Int64}
    AND end_ns >= {from_ns:Int64}
