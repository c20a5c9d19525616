-- What did each GPU and MIG instance do in a long time range?
-- Parameters: project; from_s, to_s: unix seconds, half open, whole minutes are read; gpu: only this
--   one, '' for all.
-- Columns: as of dashboard_gpus, from the minutes; means are weighted by time.
-- Sort key used: gpu_minutes (project, hour, gpu, mig, minute).
SELECT
    gpu,
    mig,
    anyLast(gpu_index) AS gpu_index,
    anyLast(model) AS model,
    anyLast(mig_profile) AS mig_profile,
    anyLast(host) AS host,
    argMax(namespace, minute) AS namespace,
    argMax(pod, minute) AS pod,
    argMax(container, minute) AS container,
    anyLast(source) AS source,
    toUnixTimestamp(max(last_time)) AS newest_s,
    sum(utilization_ratio * seconds) / sumIf(seconds, isNotNull(utilization_ratio)) AS utilization_ratio,
    argMax(newest_utilization_ratio, minute) AS newest_utilization_ratio,
    sum(idle_ratio * seconds) / sumIf(seconds, isNotNull(idle_ratio)) AS idle_ratio,
    argMax(newest_memory_used_bytes, minute) AS memory_used_bytes,
    max(memory_peak_bytes) AS memory_peak_bytes,
    max(memory_total_bytes) AS memory_total_bytes,
    sum(power_watts * seconds) / sumIf(seconds, isNotNull(power_watts)) AS power_watts,
    argMax(newest_power_watts, minute) AS newest_power_watts,
    max(power_limit_watts) AS power_limit_watts,
    if(
        count(energy_joules) > 0,
        sum(energy_joules),
        sum(toFloat64(power_watts) * seconds)
    ) AS energy_joules,
    count(energy_joules) = 0 AS is_energy_estimated,
    argMax(newest_temperature_celsius, minute) AS temperature_celsius,
    max(temperature_peak_celsius) AS temperature_peak_celsius,
    sum(throttled_ratio * seconds) / sumIf(seconds, isNotNull(throttled_ratio)) AS throttled_ratio,
    if(count(throttled_ratio) = 0, NULL, groupBitOr(clock_events)) AS clock_events,
    argMax(xid, minute) AS xid,
    max(xid_errors) AS xid_errors,
    max(ecc_corrected_last) - min(ecc_corrected_first) AS ecc_corrected_errors,
    max(ecc_uncorrected_last) - min(ecc_uncorrected_first) AS ecc_uncorrected_errors,
    argMax(is_lost, minute) AS is_lost,
    sum(samples) AS samples,
    sum(seconds) AS seconds
FROM gpu_minutes FINAL
WHERE project = {project:String}
    AND toStartOfHour(minute) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
    AND minute >= toStartOfMinute(toDateTime({from_s:Int64}, 'UTC'))
    AND minute < toDateTime({to_s:Int64}, 'UTC')
    AND ({gpu:String} = '' OR gpu = {gpu:String})
GROUP BY gpu, mig
ORDER BY anyLast(host), length(anyLast(gpu_index)), anyLast(gpu_index), gpu, length(mig), mig
SETTINGS do_not_merge_across_partitions_select_final = 1, prefer_column_name_to_alias = 1
