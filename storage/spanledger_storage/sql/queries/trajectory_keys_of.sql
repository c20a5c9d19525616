-- Which keys do these traces hold?
-- Parameters: project; trace_ids.
-- Result: trace_id, kind, key; one row per trace and key.
-- Relies on the bloom index on trajectory_keys.trace_id; asked only when a key ties no longer.
SELECT DISTINCT trace_id, kind, key
FROM trajectory_keys
WHERE project = {project:String} AND trace_id IN {trace_ids:Array(String)}
