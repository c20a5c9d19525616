-- Which traces were written since, in order of their newest version? Of all projects.
-- Parameters: since: version (ns) up to which everything was handled; max_rows: stop after as many,
--   but never between traces of one version.
-- Result: one row per trace, deleted ones included: project, trace_id, newest (version), spans (how
--   many the trace has), calls (of models and tools).
-- Relies on the index of versions of traces.
SELECT
    project,
    trace_id,
    max(version) AS newest,
    argMax(span_count, version) AS spans,
    argMax(llm_calls + tool_calls, version) AS calls
FROM traces
WHERE version > {since:UInt64}
GROUP BY project, trace_id
ORDER BY newest
LIMIT {max_rows:UInt32} WITH TIES
