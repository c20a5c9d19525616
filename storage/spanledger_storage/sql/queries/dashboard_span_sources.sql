-- What are the spans that a call was put together from?
-- Parameters: project; trace_ids, span_ids: of the sources; hours_s: unix seconds, the hours of the
-- trace and their neighbours.
-- Columns: trace_id, span_id, parent_span_id, name, kind, role, scope_name, scope_version,
-- service_name, dialect, start_ns, end_ns (unix), input_tokens, output_tokens (NULL: not reported),
-- response_id. One row per span that is still stored, by start.
-- Sort key used: (project, toStartOfHour(start_time), trace_id).
SELECT
    trace_id,
    span_id,
    parent_span_id,
    name,
    kind,
    role,
    scope_name,
    scope_version,
    service_name,
    dialect,
    toUnixTimestamp64Nano(start_time) AS start_ns,
    toUnixTimestamp64Nano(end_time) AS end_ns,
    input_tokens,
    output_tokens,
    response_id
FROM spans FINAL
WHERE project = {project:String}
    AND toStartOfHour(start_time) IN (SELECT toDateTime(arrayJoin({hours_s:Array(UInt32)}), 'UTC'))
    AND trace_id IN {trace_ids:Array(String)}
    AND span_id IN {span_ids:Array(String)}
ORDER BY start_time, span_id
