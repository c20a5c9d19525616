-- Which traces are in one trajectory with some of these?
-- Parameters: project; trace_ids.
-- Result: trace_id; one row per trace of such a trajectory, these among them.
-- Relies on no key but the project: reads the trace ids of its trajectories across traces.
SELECT DISTINCT arrayJoin(trace_ids) AS trace_id
FROM trajectories FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND traces > 1
    AND hasAny(trace_ids, {trace_ids:Array(String)})
