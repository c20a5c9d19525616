-- Which spans do these traces have, as far as the ledger needs them?
-- Parameters: project; hours (UTC start hours, UNIX seconds) and trace_ids, two lists of one
--   length: pair i is one hour in which one trace has spans.
-- Result: one row per stored version of a span (resends included); times in UTC nanoseconds,
--   token counts and reported cost (USD) as stored, service_instance from the resource;
--   step_kind: pause, wait, interrupt (stopped for a person to decide) or empty; linked: the spans it
--   links to, 32 and 16 hex digits each, with spaces between.
-- Relies on the sort key of spans (project, start hour, trace_id, ...).
SELECT
    trace_id,
    span_id,
    parent_span_id,
    version,
    name,
    role,
    status,
    error_type,
    toUnixTimestamp64Nano(start_time) AS start_ns,
    toUnixTimestamp64Nano(end_time) AS end_ns,
    service_name,
    environment,
    service_instance,
    scope_name,
    dialect,
    agent_name,
    agent_version,
    workflow_name,
    session_id,
    user_id,
    task_id,
    task_outcome,
    provider,
    request_model,
    response_model,
    service_tier,
    region,
    input_tokens,
    cache_read_tokens,
    cache_write_tokens,
    cache_write_5m_tokens,
    cache_write_1h_tokens,
    output_tokens,
    reasoning_tokens,
    audio_input_tokens,
    audio_output_tokens,
    image_tokens,
    image_output_tokens,
    cache_read_audio_tokens,
    web_searches,
    usage_source,
    reported_cost_usd,
    ttft_ns,
    stream,
    response_id,
    request_id,
    attempts,
    kind,
    tool_name,
    tool_call_id,
    toFloat64OrNull(hints['task_score']) AS task_score,
    hints['trajectory_id'] AS trajectory_id,
    hints['workflow_id'] AS workflow_id,
    hints['step_kind'] AS step_kind,
    hints['wait_for'] AS wait_for,
    hints['linked'] AS linked,
    dimensions,
    flags
FROM spans
PREWHERE project = {project:String} AND trace_id IN {trace_ids:Array(String)}
WHERE (toStartOfHour(start_time), trace_id) IN (
        SELECT toDateTime(pair.1, 'UTC'), pair.2
        FROM (SELECT arrayJoin(arrayZip({hours:Array(UInt32)}, {trace_ids:Array(String)})) AS pair)
    )
