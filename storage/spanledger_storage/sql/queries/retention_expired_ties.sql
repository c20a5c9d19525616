-- How much is noted of traces that are gone: keys they held, trajectories they were part of?
-- Parameters: projects: names.
-- Result: one row per table: table_name, expired (rows).
-- Relies on sort keys that begin with project; reads the trace ids of the projects.
SELECT 'trajectory_keys' AS table_name, count() AS expired
FROM trajectory_keys
WHERE project IN {projects:Array(String)}
    AND (project, trace_id) NOT IN (
        SELECT project, trace_id FROM traces WHERE project IN {projects:Array(String)}
    )
UNION ALL
SELECT 'trajectory_traces' AS table_name, count() AS expired
FROM trajectory_traces
WHERE project IN {projects:Array(String)}
    AND (project, trace_id) NOT IN (
        SELECT project, trace_id FROM traces WHERE project IN {projects:Array(String)}
    )
