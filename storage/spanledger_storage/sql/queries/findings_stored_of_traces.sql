-- Which findings of some kinds are stored of these traces?
-- Parameters: project; kinds; codes: empty for all.
-- Table: asked (trace_id String).
-- Result: one row per finding that holds: the columns of findings, times in UTC nanoseconds.
-- Relies on the sort key of findings, which begins with project, and on its index of traces.
SELECT
    * EXCEPT (first_seen, last_seen, detected_at, is_deleted),
    toUnixTimestamp64Nano(first_seen) AS first_seen_ns,
    toUnixTimestamp64Nano(last_seen) AS last_seen_ns,
    toUnixTimestamp64Nano(detected_at) AS detected_ns
FROM findings FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND trace_id IN (SELECT trace_id FROM asked)
    AND kind IN {kinds:Array(String)}
    AND (empty({codes:Array(String)}) OR code IN {codes:Array(String)})
