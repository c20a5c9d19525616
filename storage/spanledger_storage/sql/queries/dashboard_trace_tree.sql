-- Which spans make up a trace? Only what a row of the tree shows: no messages, no attributes.
-- Parameters: project; trace_id; hours_s: unix seconds, from dashboard_trace_hours.
-- Columns: span_id, parent_span_id, name, role, status, error_type, start_ns (unix), duration_ns,
-- ttft_ns, agent_name, model, tool_name, input_tokens, output_tokens (NULL: not reported),
-- attempts (NULL: not told), is_log (1: made from a log record), call_sig, result_sig (0: not
-- known), link_trace_ids, link_span_ids (parallel lists). One row per span, by start.
-- Sort key used: (project, toStartOfHour(start_time), trace_id, start_time).
SELECT
    span_id,
    parent_span_id,
    name,
    role,
    status,
    error_type,
    toUnixTimestamp64Nano(start_time) AS start_ns,
    toUInt64(duration_ns) AS duration_ns,
    ttft_ns,
    agent_name,
    if(response_model = '', request_model, response_model) AS model,
    tool_name,
    input_tokens,
    output_tokens,
    attempts,
    kind = 'log' AS is_log,
    call_sig,
    result_sig,
    links.trace_id AS link_trace_ids,
    links.span_id AS link_span_ids
FROM spans FINAL
WHERE project = {project:String}
    AND toStartOfHour(start_time) IN (SELECT toDateTime(arrayJoin({hours_s:Array(UInt32)}), 'UTC'))
    AND trace_id = {trace_id:String}
ORDER BY start_time, span_id
