-- Which of these response ids do several traces mention?
-- Parameters: project, response_ids; max_traces: an id in more traces than this is a test double's
--   and ties nothing together.
-- Result: one row per response id.
-- Relies on the sort key of response_traces (project, response_id, trace_id).
SELECT response_id
FROM response_traces
WHERE project = {project:String} AND response_id IN {response_ids:Array(String)}
GROUP BY response_id
HAVING uniqExact(trace_id) BETWEEN 2 AND {max_traces:UInt32}
