-- What is stored of findings with these ids?
-- Parameters: project; finding_ids.
-- Result: one row per finding that holds: the columns of findings, times in UTC nanoseconds.
-- Relies on the sort key of findings, which begins with project, and on its index of ids.
SELECT
    * EXCEPT (first_seen, last_seen, detected_at, is_deleted),
    toUnixTimestamp64Nano(first_seen) AS first_seen_ns,
    toUnixTimestamp64Nano(last_seen) AS last_seen_ns,
    toUnixTimestamp64Nano(detected_at) AS detected_ns
FROM findings FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND finding_id IN {finding_ids:Array(String)}
