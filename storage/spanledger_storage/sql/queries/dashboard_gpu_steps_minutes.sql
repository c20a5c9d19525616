-- How did GPUs do over a long time?
-- Parameters: project; from_s, to_s: unix seconds, half open, whole minutes are read; bucket_s; gpu:
--   only this one, '' for all.
-- Columns: as of dashboard_gpu_steps, from the minutes; means are weighted by time.
-- Sort key used: gpu_minutes (project, hour, gpu, mig, minute).
SELECT
    gpu,
    mig,
    {from_s:Int64} + intDiv(
        greatest(0, toInt64(toUnixTimestamp(minute)) - {from_s:Int64}), {bucket_s:Int64}
    ) * {bucket_s:Int64} AS bucket_s,
    sum(utilization_ratio * seconds) / sumIf(seconds, isNotNull(utilization_ratio)) AS utilization_ratio,
    sum(memory_active_ratio * seconds) / sumIf(seconds, isNotNull(memory_active_ratio))
        AS memory_active_ratio,
    sum(tensor_active_ratio * seconds) / sumIf(seconds, isNotNull(tensor_active_ratio))
        AS tensor_active_ratio,
    sum(memory_used_bytes * seconds) / sumIf(seconds, isNotNull(memory_used_bytes))
        AS memory_used_bytes,
    sum(power_watts * seconds) / sumIf(seconds, isNotNull(power_watts)) AS power_watts,
    max(temperature_peak_celsius) AS temperature_celsius,
    sum(sm_clock_hz * seconds) / sumIf(seconds, isNotNull(sm_clock_hz)) AS sm_clock_hz,
    sum(throttled_ratio * seconds) / sumIf(seconds, isNotNull(throttled_ratio)) AS throttled_ratio
FROM gpu_minutes FINAL
WHERE project = {project:String}
    AND toStartOfHour(minute) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
    AND minute >= toStartOfMinute(toDateTime({from_s:Int64}, 'UTC'))
    AND minute < toDateTime({to_s:Int64}, 'UTC')
    AND ({gpu:String} = '' OR gpu = {gpu:String})
GROUP BY gpu, mig, bucket_s
ORDER BY gpu, mig, bucket_s
SETTINGS do_not_merge_across_partitions_select_final = 1, prefer_column_name_to_alias = 1
