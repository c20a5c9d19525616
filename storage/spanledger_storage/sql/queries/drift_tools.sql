-- Which tools did these traces call, in order, and which of them failed?
-- Parameters: project; hours (UTC start hours, UNIX seconds) and trace_ids, two lists of one length:
--   pair i is one hour in which one trace has spans; most_calls: spans taken of a trace and hour.
-- Columns: trace_id; calls: (span_id, parent_span_id, tool_name, tool_call_id, is_failed, is_log) of
--   spans of tools, by start. One row per trace and hour, by hour.
-- Sort key used: spans (project, start hour, trace_id, ...).
SELECT
    trace_id,
    groupArray({most_calls:UInt32})((span_id, parent_span_id, toString(tool_name), tool_call_id, is_failed, is_log)) AS calls
FROM
(
    SELECT
        trace_id,
        span_id,
        parent_span_id,
        tool_name,
        tool_call_id,
        toUInt8(status = 'error' OR tool_outcome = 'error') AS is_failed,
        toUInt8(kind = 'log') AS is_log,
        start_time
    FROM spans FINAL
    PREWHERE project = {project:String} AND trace_id IN {trace_ids:Array(String)}
    WHERE (toStartOfHour(start_time), trace_id) IN (
            SELECT toDateTime(pair.1, 'UTC'), pair.2
            FROM (SELECT arrayJoin(arrayZip({hours:Array(UInt32)}, {trace_ids:Array(String)})) AS pair)
        )
        AND role = 'tool'
        AND NOT has(flags, 'pending')
    ORDER BY start_time, span_id
)
GROUP BY trace_id, toStartOfHour(start_time)
ORDER BY toStartOfHour(start_time), trace_id
