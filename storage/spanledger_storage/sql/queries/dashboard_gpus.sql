-- What did each GPU and MIG instance do in a time range?
-- Parameters: project; from_s, to_s: unix seconds, half open; gpu: only this one, '' for all.
-- Columns: gpu, mig, gpu_index, model, mig_profile, host, namespace, pod, container, source,
--   newest_s; utilization_ratio (mean), newest_utilization_ratio, idle_ratio (share of the samples
--   that tell utilisation in which nothing ran), memory_used_bytes (newest), memory_peak_bytes,
--   memory_total_bytes, power_watts (mean), newest_power_watts, power_limit_watts, energy_joules
--   (by the GPU's counter, else power times time), is_energy_estimated, temperature_celsius
--   (newest), temperature_peak_celsius, throttled_ratio (share of the samples that tell it),
--   clock_events (all bits that were set), xid (last code), xid_errors, ecc_corrected_errors,
--   ecc_uncorrected_errors (in the range), is_lost (newest), samples, seconds (between the first
--   and last). One row per GPU or instance; NULL where nobody tells. Sorted by host and index.
-- Sort key used: (project, toStartOfHour(time), gpu).
WITH
    arrayMap(
        told -> told.2,
        arraySort(groupArrayIf((time, assumeNotNull(energy_joules)), isNotNull(energy_joules)))
    ) AS told_joules
SELECT
    gpu,
    mig,
    anyLast(gpu_index) AS gpu_index,
    anyLast(model) AS model,
    anyLast(mig_profile) AS mig_profile,
    anyLast(host) AS host,
    argMax(namespace, time) AS namespace,
    argMax(pod, time) AS pod,
    argMax(container, time) AS container,
    anyLast(source) AS source,
    toUnixTimestamp(max(time)) AS newest_s,
    avg(used) AS utilization_ratio,
    argMax(used, time) AS newest_utilization_ratio,
    if(count(used) = 0, NULL, countIf(used = 0) / count(used)) AS idle_ratio,
    argMax(memory_used_bytes, time) AS memory_used_bytes,
    max(memory_used_bytes) AS memory_peak_bytes,
    max(coalesce(
        memory_total_bytes, memory_used_bytes + memory_free_bytes + ifNull(memory_reserved_bytes, 0)
    )) AS memory_total_bytes,
    avg(power_watts) AS power_watts,
    argMax(power_watts, time) AS newest_power_watts,
    max(power_limit_watts) AS power_limit_watts,
    if(
        count(energy_joules) > 1,
        -- As in gpu_minutes_recompute: the most that was told since the counter's start, and the sum.
        arrayFold(
            (so_far, told) -> if(
                told < so_far.1 / 2,
                (told, so_far.2 + told),
                (greatest(so_far.1, told), so_far.2 + greatest(0., told - so_far.1))
            ),
            arrayPopFront(told_joules),
            (told_joules[1], 0.)
        ).2,
        avg(power_watts) * seconds
    ) AS energy_joules,
    count(energy_joules) < 2 AS is_energy_estimated,
    argMax(temperature_celsius, time) AS temperature_celsius,
    max(temperature_celsius) AS temperature_peak_celsius,
    -- 0xEC: power cap, hardware slowdown, software and hardware thermal, power brake.
    if(
        count(clock_events) = 0, NULL, countIf(bitAnd(clock_events, 0xEC) > 0) / count(clock_events)
    ) AS throttled_ratio,
    groupBitOr(bitAnd(clock_events, 0xEC)) AS clock_events,
    argMax(xid, time) AS xid,
    max(xid_errors) AS xid_errors,
    max(ecc_corrected_errors) - min(ecc_corrected_errors) AS ecc_corrected_errors,
    max(ecc_uncorrected_errors) - min(ecc_uncorrected_errors) AS ecc_uncorrected_errors,
    argMax(is_lost, time) AS is_lost,
    count() AS samples,
    toInt64(max(time)) - toInt64(min(time)) AS seconds
FROM
(
    SELECT *, coalesce(utilization_ratio, engine_active_ratio) AS used
    FROM gpu_samples FINAL
    WHERE project = {project:String}
        AND toStartOfHour(time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
        AND time >= toDateTime({from_s:Int64}, 'UTC')
        AND time < toDateTime({to_s:Int64}, 'UTC')
        AND ({gpu:String} = '' OR gpu = {gpu:String})
)
GROUP BY gpu, mig
ORDER BY anyLast(host), length(anyLast(gpu_index)), anyLast(gpu_index), gpu, length(mig), mig
SETTINGS do_not_merge_across_partitions_select_final = 1, prefer_column_name_to_alias = 1
