-- Which ledger entries that metrics alone tell of carry the id of a session or user?
-- Parameters: project; kind: session or user; ids: the id and its hashes.
-- Result: entry_id; one row per entry, those that no longer hold included.
-- Relies on sort keys that begin with project.
SELECT DISTINCT entry_id
FROM ledger
WHERE project = {project:String}
    AND trace_id = ''
    AND (
        ({kind:String} = 'user' AND user_id IN {ids:Array(String)})
        OR ({kind:String} = 'session' AND session_id IN {ids:Array(String)})
    )
ORDER BY entry_id
