-- Did the jobs work this trace into a trajectory? Parameters: trace_id. Result: found (0 or 1).
-- Relies on the bloom index on trajectories.trajectory_id.
SELECT count() > 0 AS found
FROM trajectories
WHERE project = 'default' AND trajectory_id = {trace_id:String}
