-- Which traces mention these response ids?
-- Parameters: project, response_ids, max_traces: an id in more traces than this is an id that
--   some client repeats for every call, and ties nothing together.
-- Result: one row per trace.
-- Relies on the sort key of response_traces (project, response_id, trace_id).
SELECT DISTINCT arrayJoin(traces) AS trace_id
FROM
(
    SELECT groupUniqArray(trace_id) AS traces
    FROM response_traces
    WHERE project = {project:String} AND response_id IN {response_ids:Array(String)}
    GROUP BY response_id
    HAVING length(traces) BETWEEN 2 AND {max_traces:UInt32}
)
