-- Which traces mention these response ids around an hour? A call may lie in another trace than its
-- worker's span.
-- Parameters: project; hour (UTC start hour, UNIX seconds); response_ids; max_traces: an id in more
--   traces than this ties nothing together.
-- Result: one row per trace.
-- Relies on the sort key of response_traces (project, hour, id_hash, trace_id).
SELECT DISTINCT arrayJoin(traces) AS trace_id
FROM
(
    SELECT groupUniqArray(trace_id) AS traces
    FROM response_traces
    WHERE project = {project:String}
        AND hour >= toDateTime({hour:Int64} - 7200, 'UTC')
        AND hour <= toDateTime({hour:Int64} + 3600, 'UTC')
        AND id_hash IN (SELECT cityHash64(arrayJoin({response_ids:Array(String)})))
    GROUP BY id_hash
    HAVING length(traces) BETWEEN 2 AND {max_traces:UInt32}
)
