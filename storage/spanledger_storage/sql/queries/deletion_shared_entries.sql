-- Which other traces have ledger entries of calls that these traces saw as well?
-- Parameters: project; trace_ids.
-- Result: trace_id; one row per trace.
-- Relies on sort keys that begin with project; reads the sources of all entries of the project.
SELECT DISTINCT trace_id
FROM ledger
WHERE project = {project:String}
    AND trace_id != ''
    AND trace_id NOT IN {trace_ids:Array(String)}
    AND arrayExists(source -> source.1 IN {trace_ids:Array(String)}, source_spans)
ORDER BY trace_id
