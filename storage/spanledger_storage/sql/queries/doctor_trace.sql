-- Did the jobs work this trace into its row? Parameters: trace_id. Result: found (0 or 1).
-- Relies on the bloom index on traces.trace_id.
SELECT count() > 0 AS found
FROM traces
WHERE trace_id = {trace_id:String}
