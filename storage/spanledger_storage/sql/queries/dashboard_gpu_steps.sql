-- How did GPUs do over time?
-- Parameters: project; from_s, to_s: unix seconds, half open; bucket_s; gpu: only this one, ''
--   for all.
-- Columns: gpu, mig, bucket_s (start), utilization_ratio, memory_active_ratio, tensor_active_ratio,
--   memory_used_bytes (means), power_watts (mean), temperature_celsius (highest), sm_clock_hz (mean),
--   throttled_ratio. One row per GPU or instance and bucket with samples; NULL where nobody tells.
-- Sort key used: (project, toStartOfHour(time), gpu).
SELECT
    gpu,
    mig,
    {from_s:Int64} + intDiv(toInt64(toUnixTimestamp(time)) - {from_s:Int64}, {bucket_s:Int64})
        * {bucket_s:Int64} AS bucket_s,
    avg(coalesce(utilization_ratio, engine_active_ratio)) AS utilization_ratio,
    avg(memory_active_ratio) AS memory_active_ratio,
    avg(tensor_active_ratio) AS tensor_active_ratio,
    avg(memory_used_bytes) AS memory_used_bytes,
    avg(power_watts) AS power_watts,
    max(temperature_celsius) AS temperature_celsius,
    avg(sm_clock_hz) AS sm_clock_hz,
    if(
        count(clock_events) = 0, NULL, countIf(bitAnd(clock_events, 0xEC) > 0) / count(clock_events)
    ) AS throttled_ratio
FROM gpu_samples FINAL
WHERE project = {project:String}
    AND toStartOfHour(time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
    AND time >= toDateTime({from_s:Int64}, 'UTC')
    AND time < toDateTime({to_s:Int64}, 'UTC')
    AND ({gpu:String} = '' OR gpu = {gpu:String})
GROUP BY gpu, mig, bucket_s
ORDER BY gpu, mig, bucket_s
SETTINGS do_not_merge_across_partitions_select_final = 1, prefer_column_name_to_alias = 1
