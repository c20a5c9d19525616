-- Which traces hold these keys?
-- Parameters: project; max_traces: rows per key at most.
-- Table: asked (key String): 32 hex digits, of any kind.
-- Result: kind, key, trace_id; one row per key and trace that holds it.
-- Relies on the sort key of trajectory_keys (project, kind, key, trace_id).
SELECT kind, key, trace_id
FROM
(
    SELECT DISTINCT kind, key, trace_id
    FROM trajectory_keys
    WHERE project = {project:String}
        AND kind IN ('explicit', 'conversation', 'workflow', 'link')
        AND key IN (SELECT key FROM asked)
)
LIMIT {max_traces:UInt32} BY kind, key
