-- Which findings of some kinds were first seen in a time?
-- Parameters: project; from_ns and to_ns: UTC nanoseconds, half open; kinds; codes: empty for all.
-- Result: one row per finding that holds: the columns of findings, times in UTC nanoseconds.
-- Relies on the sort key of findings (project, hour of first_seen, kind, finding_id).
SELECT
    * EXCEPT (first_seen, last_seen, detected_at, is_deleted),
    toUnixTimestamp64Nano(first_seen) AS first_seen_ns,
    toUnixTimestamp64Nano(last_seen) AS last_seen_ns,
    toUnixTimestamp64Nano(detected_at) AS detected_ns
FROM findings FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND first_seen >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')
    AND first_seen < fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
    AND kind IN {kinds:Array(String)}
    AND (empty({codes:Array(String)}) OR code IN {codes:Array(String)})
