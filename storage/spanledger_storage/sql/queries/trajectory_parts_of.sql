-- Which traces say that they are part of these trajectories?
-- Parameters: project; trajectory_ids.
-- Result: as of trajectory_parts.
-- Relies on the bloom index on trajectory_traces.trajectory_id; asked only after a step that ended
--   halfway.
SELECT
    project,
    trace_id,
    trajectory_id,
    toUnixTimestamp(trajectory_traces.trace_hour) AS trace_hour,
    toUnixTimestamp(trajectory_traces.trajectory_hour) AS trajectory_hour,
    version
FROM trajectory_traces FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND trajectory_id IN {trajectory_ids:Array(String)}
