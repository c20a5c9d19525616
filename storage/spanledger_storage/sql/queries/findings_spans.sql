-- Which spans do these traces have, as far as findings need them?
-- Parameters: project; most_messages: of a span with more, its input is left out.
-- Table: asked (hour UInt32, trace_id String): hours in which traces have spans, UTC start hours
--   in UNIX seconds.
-- Result: one row per stored version of a span (resends included); times in UTC nanoseconds; input
--   and output: hashes of messages in order, 32 hex digits each; server: where a tool runs.
-- Relies on the sort key of spans (project, start hour, trace_id, ...).
SELECT
    trace_id,
    span_id,
    parent_span_id,
    version,
    role,
    status,
    error_type,
    toUnixTimestamp64Nano(start_time) AS start_ns,
    toUnixTimestamp64Nano(end_time) AS end_ns,
    service_name,
    scope_name,
    kind,
    agent_name,
    agent_version,
    tool_name,
    tool_call_id,
    tool_outcome,
    tool_evidence,
    call_sig,
    result_sig,
    finish_reason,
    has(flags, 'pending') AS is_pending,
    if(
        length(input_messages) > {most_messages:UInt32},
        '',
        lower(hex(arrayStringConcat(arrayMap(one -> toString(one), input_messages))))
    ) AS input,
    lower(hex(arrayStringConcat(arrayMap(one -> toString(one), output_messages)))) AS output,
    hints['server'] AS server
FROM spans
PREWHERE project = {project:String}
    AND (toStartOfHour(start_time), trace_id) IN (SELECT toDateTime(hour, 'UTC'), trace_id FROM asked)
