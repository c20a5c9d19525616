-- What did a trace do, span by span, and in which words? What the views of a trace are made of.
-- Parameters: project; trace_id; hours_s: unix seconds, from dashboard_trace_hours.
-- Columns: span_id, parent_span_id, kind, role, name, status, error (type, else message), start_ns
-- (unix), duration_ns, agent_name, model, input_tokens, output_tokens (NULL: not reported),
-- ttft_ns (NULL: not told), finish_reason, tool_name, tool_call_id, call_sig, result_sig (0: not
-- known), answer_hash (hex, of the first output message; empty: none), message_count. One row per
-- span, by start.
-- Sort key used: (project, toStartOfHour(start_time), trace_id, start_time).
SELECT
    span_id,
    parent_span_id,
    kind,
    role,
    name,
    status,
    if(error_type = '', substringUTF8(status_message, 1, 200), error_type) AS error,
    toUnixTimestamp64Nano(start_time) AS start_ns,
    toUInt64(duration_ns) AS duration_ns,
    agent_name,
    if(response_model = '', request_model, response_model) AS model,
    input_tokens,
    output_tokens,
    ttft_ns,
    finish_reason,
    tool_name,
    tool_call_id,
    call_sig,
    result_sig,
    if(empty(output_messages), '', lower(hex(output_messages[1]))) AS answer_hash,
    toUInt32(length(input_messages) + length(output_messages)) AS message_count
FROM spans FINAL
WHERE project = {project:String}
    AND toStartOfHour(start_time) IN (SELECT toDateTime(arrayJoin({hours_s:Array(UInt32)}), 'UTC'))
    AND trace_id = {trace_id:String}
ORDER BY start_time, span_id
