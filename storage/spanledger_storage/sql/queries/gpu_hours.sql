-- In which hours were there GPUs?
-- Parameters: from_hour (UTC start hour, UNIX seconds): none before it.
-- Result: one row per project and UTC start hour (UNIX seconds).
-- Relies on the partitions of gpu_samples (day) and its sort key (project, hour, ...).
SELECT DISTINCT project, toInt64(toUnixTimestamp(toStartOfHour(time))) AS hour
FROM gpu_samples
WHERE time >= toDateTime({from_hour:Int64}, 'UTC')
ORDER BY project, hour
