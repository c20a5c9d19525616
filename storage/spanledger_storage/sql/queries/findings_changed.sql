-- Which traces were written with these versions, in order of the newest of each? Of all projects.
-- Parameters: versions (ns).
-- Result: one row per trace, deleted ones included: project, trace_id, newest (version), spans (how
--   many the trace has), calls (of models and tools), session_id, user_id, start_ns (UTC).
-- Relies on the index of versions of traces.
SELECT
    project,
    trace_id,
    max(version) AS newest,
    argMax(span_count, version) AS spans,
    argMax(llm_calls + tool_calls, version) AS calls,
    argMax(session_id, version) AS session_id,
    argMax(user_id, version) AS user_id,
    argMax(toUnixTimestamp64Nano(start_time), version) AS start_ns
FROM traces
WHERE version IN {versions:Array(UInt64)}
GROUP BY project, trace_id
ORDER BY newest
