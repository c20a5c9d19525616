-- What does one span say, in full?
-- Parameters: project; trace_id; span_id; hours_s: unix seconds, from dashboard_trace_hours.
-- Columns: those of spans that a reader wants but the attributes (dashboard_span_raw), times as unix
-- ns, message hashes as hex, events and links as parallel lists. One row, none when the span does not exist. A span without messages
-- of its own shows those of the log records written in it, in their order.
-- Sort key used: (project, toStartOfHour(start_time), trace_id).
WITH
    (
        SELECT arraySort(groupArray((start_time, span_id, input_messages, output_messages)))
        FROM spans FINAL
        WHERE project = {project:String}
            AND toStartOfHour(start_time) IN (
                SELECT toDateTime(arrayJoin({hours_s:Array(UInt32)}), 'UTC')
            )
            AND trace_id = {trace_id:String}
            AND parent_span_id = {span_id:String}
            AND kind = 'log'
    ) AS records,
    empty(input_messages) AND empty(output_messages) AS is_silent
SELECT
    span_id,
    parent_span_id,
    name,
    kind,
    status,
    status_message,
    error_type,
    toUnixTimestamp64Nano(start_time) AS start_ns,
    toUInt64(duration_ns) AS duration_ns,
    service_name,
    service_version,
    environment,
    scope_name,
    scope_version,
    dialect,
    role,
    agent_name,
    agent_id,
    agent_version,
    workflow_name,
    task_id,
    task_outcome,
    session_id,
    user_id,
    provider,
    request_model,
    response_model,
    service_tier,
    region,
    input_tokens,
    cache_read_tokens,
    cache_write_tokens,
    output_tokens,
    reasoning_tokens,
    usage_source,
    reported_cost_usd,
    ttft_ns,
    stream,
    response_id,
    request_id,
    finish_reason,
    attempts,
    temperature,
    top_p,
    top_k,
    max_tokens,
    seed,
    frequency_penalty,
    presence_penalty,
    reasoning_level,
    tool_name,
    tool_call_id,
    tool_outcome,
    arrayMap(
        h -> lower(hex(h)),
        if(is_silent, arrayFlatten(arrayMap(r -> r.3, records)), input_messages)
    ) AS input_hashes,
    arrayMap(
        h -> lower(hex(h)),
        if(is_silent, arrayFlatten(arrayMap(r -> r.4, records)), output_messages)
    ) AS output_hashes,
    tool_arguments,
    tool_result,
    arrayMap(t -> toUnixTimestamp64Nano(t), events.time) AS event_times_ns,
    events.name AS event_names,
    events.attributes AS event_attributes,
    links.trace_id AS link_trace_ids,
    links.span_id AS link_span_ids,
    links.attributes AS link_attributes,
    trace_state,
    toUnixTimestamp64Milli(ingested_at) AS ingested_at_ms
FROM spans
WHERE project = {project:String}
    AND toStartOfHour(start_time) IN (SELECT toDateTime(arrayJoin({hours_s:Array(UInt32)}), 'UTC'))
    AND trace_id = {trace_id:String}
    AND span_id = {span_id:String}
ORDER BY version DESC
LIMIT 1
