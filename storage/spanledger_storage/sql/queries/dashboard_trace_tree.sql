-- Which spans make up a trace? Only what a row of the tree is made of: no messages, no attributes.
-- Parameters: project; trace_id.
-- Columns: as in spans, unless renamed: link_trace_ids, link_span_ids (parallel lists). One row per
-- span, in no order. Nothing is reckoned or sorted, and the hours are looked up here: planning is
-- most of what a small trace takes, every expression adds to it, and so does a second statement.
-- One thread: more cost a small trace a tenth of its time, and save one of 100,000 spans a tenth.
-- The plan is as good as it gets when it is written: to look for a better one is another tenth.
-- Sort keys used: trace_hours (project, trace_id, hour); spans (project, toStartOfHour(start_time),
-- trace_id).
SELECT
    span_id,
    parent_span_id,
    name,
    role,
    status,
    error_type,
    start_time,
    end_time,
    ttft_ns,
    agent_name,
    request_model,
    response_model,
    tool_name,
    input_tokens,
    output_tokens,
    attempts,
    kind,
    call_sig,
    result_sig,
    links.trace_id AS link_trace_ids,
    links.span_id AS link_span_ids
FROM spans FINAL
WHERE project = {project:String}
    AND toStartOfHour(start_time) IN (
        SELECT hour FROM trace_hours WHERE project = {project:String} AND trace_id = {trace_id:String}
    )
    AND trace_id = {trace_id:String}
SETTINGS max_threads = 1, query_plan_enable_optimizations = 0
