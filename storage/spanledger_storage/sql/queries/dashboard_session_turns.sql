-- What was asked and answered in these traces?
-- Parameters: project; trace_ids; hours: start hours of their spans, unix seconds.
-- Columns: trace_id; asked: the latest messages the first span with any was given; answered: those
-- the last span with any gave; 32 hex digits each. One row per trace with spans.
-- Sort key used: (project, toStartOfHour(start_time), trace_id).
SELECT
    trace_id,
    arrayMap(h -> lower(hex(h)), arraySlice(argMinIf(input_messages, start_time, notEmpty(input_messages)), -6)) AS asked,
    arrayMap(h -> lower(hex(h)), argMaxIf(output_messages, end_time, notEmpty(output_messages))) AS answered
FROM spans
WHERE project = {project:String}
    AND toStartOfHour(start_time) IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
    AND trace_id IN {trace_ids:Array(String)}
GROUP BY trace_id
