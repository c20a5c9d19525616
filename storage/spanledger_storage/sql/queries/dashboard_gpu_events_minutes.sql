-- Which faults and throttling did GPUs report in a long time range?
-- Parameters: project; from_s, to_s: unix seconds, half open, whole minutes are read; gpu: only this
--   one, '' for all.
-- Columns: as of dashboard_gpu_events, from the minutes.
-- Sort key used: gpu_minutes (project, hour, gpu, mig, minute).
SELECT
    gpu,
    mig,
    anyLast(host) AS host,
    anyLast(gpu_index) AS gpu_index,
    splitByChar(':', event)[1] AS kind,
    toUInt64(splitByChar(':', event)[2]) AS code,
    toUnixTimestamp(toDateTime(min(event_first_s[event]), 'UTC')) AS first_s,
    toUnixTimestamp(toDateTime(max(event_last_s[event]), 'UTC')) AS last_s,
    sum(event_samples[event]) AS samples
FROM gpu_minutes FINAL
ARRAY JOIN mapKeys(event_samples) AS event
WHERE project = {project:String}
    AND toStartOfHour(minute) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
    AND minute >= toStartOfMinute(toDateTime({from_s:Int64}, 'UTC'))
    AND minute < toDateTime({to_s:Int64}, 'UTC')
    AND ({gpu:String} = '' OR gpu = {gpu:String})
GROUP BY gpu, mig, event
ORDER BY last_s DESC, gpu, mig, kind, code
LIMIT 500
SETTINGS do_not_merge_across_partitions_select_final = 1, prefer_column_name_to_alias = 1
