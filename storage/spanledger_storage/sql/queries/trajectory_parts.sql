-- Which trajectories are these traces part of?
-- Parameters: project.
-- Table: asked (trace_id String).
-- Result: one row per trace that is not a trajectory of its own; trace_hour and trajectory_hour are
--   UTC start hours in UNIX seconds, version as written.
-- Relies on the sort key of trajectory_traces (project, trace_id).
SELECT
    project,
    trace_id,
    trajectory_id,
    toUnixTimestamp(trajectory_traces.trace_hour) AS trace_hour,
    toUnixTimestamp(trajectory_traces.trajectory_hour) AS trajectory_hour,
    version
FROM trajectory_traces FINAL
PREWHERE project = {project:String} AND trace_id IN (SELECT trace_id FROM asked)
WHERE is_deleted = 0
