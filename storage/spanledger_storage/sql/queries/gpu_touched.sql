-- Which hours with GPUs or inference workers did flushes change?
-- Parameters: since_us, until_us (UTC microseconds, both inclusive).
-- Result: one row per flush, project and UTC start hour (UNIX seconds): flush_id, project, hour,
--   touched_us (its newest row). Hours without samples of GPUs are left out, but for those before an
--   hour with some, into which requests may run.
-- Relies on the sort keys of touches (touched_at, ...) and gpu_samples (project, hour, ...).
WITH touched AS
(
    SELECT flush_id, project, hour, toUnixTimestamp64Micro(max(touched_at)) AS touched_us
    FROM touches
    WHERE touched_at >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
        AND touched_at <= fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
    GROUP BY flush_id, project, hour
)
SELECT flush_id, project, toInt64(toUnixTimestamp(hour)) AS hour, touched_us
FROM touched
WHERE (project, hour) IN (
    SELECT DISTINCT project, toStartOfHour(time) - arrayJoin([0, 3600])
    FROM gpu_samples
    WHERE project IN (SELECT project FROM touched)
        AND toStartOfHour(time) IN (SELECT hour + arrayJoin([0, 3600]) FROM touched)
)
ORDER BY touched_us, flush_id, project, hour
SETTINGS prefer_column_name_to_alias = 1
