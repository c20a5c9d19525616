-- Which findings about no single trace carry the id of a session or user?
-- Parameters: project; kind: session or user; ids: the id and its hashes.
-- Result: finding_id; one row per finding, those that no longer hold included.
-- Relies on sort keys that begin with project.
SELECT DISTINCT finding_id
FROM findings
WHERE project = {project:String}
    AND trace_id = ''
    AND (
        ({kind:String} = 'user' AND user_id IN {ids:Array(String)})
        OR ({kind:String} = 'session' AND session_id IN {ids:Array(String)})
    )
ORDER BY finding_id
