-- Which spans make up a trace? Only what a row of the tree shows: no messages, no attributes.
-- Parameters: project; trace_id; hours_s: unix seconds, from dashboard_trace_hours.
-- Columns: span_id, parent_span_id, name, role, status, start_ns (unix), duration_ns, agent_name,
-- model, input_tokens, output_tokens (NULL: not reported). One row per span, by start; rows made
-- from log records that only repeat a span of the trace are left out (trajectories.py counts so).
-- Sort key used: (project, toStartOfHour(start_time), trace_id, start_time).
SELECT
    span_id,
    parent_span_id,
    name,
    role,
    status,
    toUnixTimestamp64Nano(start_time) AS start_ns,
    toUInt64(duration_ns) AS duration_ns,
    agent_name,
    if(response_model = '', request_model, response_model) AS model,
    input_tokens,
    output_tokens
FROM spans FINAL
WHERE project = {project:String}
    AND toStartOfHour(start_time) IN (SELECT toDateTime(arrayJoin({hours_s:Array(UInt32)}), 'UTC'))
    AND trace_id = {trace_id:String}
    AND NOT (
        kind = 'log'
        AND parent_span_id IN (
            SELECT span_id
            FROM spans
            WHERE project = {project:String}
                AND toStartOfHour(start_time) IN (
                    SELECT toDateTime(arrayJoin({hours_s:Array(UInt32)}), 'UTC')
                )
                AND trace_id = {trace_id:String}
                AND kind != 'log'
        )
        AND (
            role = 'other'
            OR (parent_span_id, role) IN (
                SELECT arrayJoin([span_id, parent_span_id]), role
                FROM spans
                WHERE project = {project:String}
                    AND toStartOfHour(start_time) IN (
                        SELECT toDateTime(arrayJoin({hours_s:Array(UInt32)}), 'UTC')
                    )
                    AND trace_id = {trace_id:String}
                    AND kind != 'log'
            )
        )
    )
ORDER BY start_time, span_id
