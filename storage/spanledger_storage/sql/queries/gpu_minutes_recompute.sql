-- Write the minutes of an hour anew from samples and processes of GPUs.
-- Parameters: project; hour (UTC start hour, UNIX seconds); version: that of the rows, unless
--   stored ones are newer: then one newer than those.
-- Result: none; one row per GPU or MIG instance and minute with samples. Means are weighted by the
--   time to the sample before, that of the first to the next (1 to 120 s). Counters are differences
--   to the sample before, up to ten minutes before the hour; a smaller value counts in full. Energy
--   is the one counter of the GPU whoever reads it, and some tell it late: only less than half of
--   the reading before is a new start, and what was counted is not counted again. Names are the
--   newest that any source tells: not all tell all of them.
-- Relies on the sort keys of gpu_samples and gpu_processes (project, hour, gpu, mig, ...).
INSERT INTO gpu_minutes
WITH
    read AS
    (
        SELECT
            *,
            coalesce(utilization_ratio, engine_active_ratio) AS used,
            pcie_sent_bytes + pcie_received_bytes AS pcie,
            nvlink_sent_bytes + nvlink_received_bytes AS nvlink
        FROM gpu_samples FINAL
        WHERE project = {project:String}
            AND toStartOfHour(time) >= toStartOfHour(toDateTime({hour:Int64} - 600, 'UTC'))
            AND toStartOfHour(time) <= toDateTime({hour:Int64}, 'UTC')
            AND time >= toDateTime({hour:Int64} - 600, 'UTC')
    ),
    compared AS
    (
        SELECT
            *,
            toInt64(toUnixTimestamp(time)) AS time_s,
            lagInFrame(toNullable(time_s)) OVER series AS time_before_s,
            leadInFrame(toNullable(time_s)) OVER following AS time_after_s,
            least(120, greatest(1, coalesce(time_s - time_before_s, time_after_s - time_s, 1)))
                AS weight,
            energy_joules < anyLast(energy_joules) OVER earlier / 2 AS is_energy_new,
            anyLast(pcie) OVER earlier AS pcie_before,
            anyLast(nvlink) OVER earlier AS nvlink_before,
            arrayConcat(
                if(ifNull(xid, 0) > 0, [concat('xid:', toString(ifNull(xid, 0)))], []),
                if(ifNull(is_lost, false), ['lost:0'], []),
                arrayMap(
                    bit -> concat('throttled:', toString(bit)),
                    bitmaskToArray(bitAnd(ifNull(clock_events, 0), toUInt64(0xEC)))
                )
            ) AS events
        FROM read
        WINDOW
            series AS (PARTITION BY gpu, mig ORDER BY time ROWS BETWEEN 1 PRECEDING AND CURRENT ROW),
            following AS
            (
                PARTITION BY gpu, mig ORDER BY time ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING
            ),
            earlier AS
            (
                PARTITION BY gpu, mig ORDER BY time ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            )
    ),
    begun AS
    (
        SELECT *, 1 + countIf(is_energy_new) OVER so_far AS energy_start
        FROM compared
        WINDOW so_far AS (PARTITION BY gpu, mig ORDER BY time)
    ),
    counted AS
    (
        SELECT
            *,
            maxIf((energy_start, assumeNotNull(energy_joules)), isNotNull(energy_joules)) OVER earlier
                AS most
        FROM begun
        WINDOW earlier AS
            (
                PARTITION BY gpu, mig ORDER BY time ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            )
    ),
    summed AS
    (
        SELECT
            gpu,
            mig,
            toStartOfMinute(time) AS minute,
            anyLast(source) AS source,
            argMaxIf(gpu_index, time, gpu_index != '') AS gpu_index,
            argMaxIf(model, time, model != '') AS model,
            argMaxIf(mig_profile, time, mig_profile != '') AS mig_profile,
            argMaxIf(host, time, host != '') AS host,
            argMax(namespace, time) AS namespace,
            argMax(pod, time) AS pod,
            argMax(container, time) AS container,
            groupUniqArrayIf(pod, pod != '') AS sampled_pods,
            count() AS samples,
            sum(weight) AS seconds,
            min(time) AS first_time,
            max(time) AS last_time,
            argMax(is_lost, time) AS is_lost,
            sum(used * weight) / sumIf(weight, isNotNull(used)) AS utilization_ratio,
            argMax(used, time) AS newest_utilization_ratio,
            sumIf(weight, used = 0) / nullIf(sumIf(weight, isNotNull(used)), 0) AS idle_ratio,
            sum(engine_active_ratio * weight) / sumIf(weight, isNotNull(engine_active_ratio))
                AS engine_active_ratio,
            sum(memory_active_ratio * weight) / sumIf(weight, isNotNull(memory_active_ratio))
                AS memory_active_ratio,
            sum(tensor_active_ratio * weight) / sumIf(weight, isNotNull(tensor_active_ratio))
                AS tensor_active_ratio,
            sum(toFloat64(memory_used_bytes) * weight) / sumIf(weight, isNotNull(memory_used_bytes))
                AS memory_used,
            argMax(memory_used_bytes, time) AS newest_memory_used_bytes,
            max(memory_used_bytes) AS memory_peak_bytes,
            max(coalesce(
                memory_total_bytes,
                memory_used_bytes + memory_free_bytes + ifNull(memory_reserved_bytes, 0)
            )) AS memory_total_bytes,
            sum(power_watts * weight) / sumIf(weight, isNotNull(power_watts)) AS power_watts,
            argMax(power_watts, time) AS newest_power_watts,
            max(power_limit_watts) AS power_limit_watts,
            sum(multiIf(
                isNull(energy_joules), NULL,
                most.1 = 0, 0.,
                most.1 < energy_start, energy_joules,
                greatest(0., energy_joules - most.2)
            )) AS energy_joules,
            argMax(temperature_celsius, time) AS newest_temperature_celsius,
            max(temperature_celsius) AS temperature_peak_celsius,
            sum(toFloat64(sm_clock_hz) * weight) / sumIf(weight, isNotNull(sm_clock_hz))
                AS sm_clock_hz,
            sumIf(weight, bitAnd(clock_events, 0xEC) > 0)
                / nullIf(sumIf(weight, isNotNull(clock_events)), 0)
                AS throttled_ratio,
            ifNull(groupBitOr(bitAnd(clock_events, 0xEC)), 0) AS clock_events,
            argMax(xid, time) AS xid,
            max(xid_errors) AS xid_errors,
            min(ecc_corrected_errors) AS ecc_corrected_first,
            max(ecc_corrected_errors) AS ecc_corrected_last,
            min(ecc_uncorrected_errors) AS ecc_uncorrected_first,
            max(ecc_uncorrected_errors) AS ecc_uncorrected_last,
            sum(multiIf(
                isNull(pcie), NULL,
                isNull(pcie_before), 0.,
                pcie < pcie_before, toFloat64(pcie),
                toFloat64(pcie - pcie_before)
            )) AS pcie_bytes,
            sum(multiIf(
                isNull(nvlink), NULL,
                isNull(nvlink_before), 0.,
                nvlink < nvlink_before, toFloat64(nvlink),
                toFloat64(nvlink - nvlink_before)
            )) AS nvlink_bytes,
            sumMap(CAST(
                (events, arrayMap(e -> 1, events)), 'Map(LowCardinality(String), UInt64)'
            )) AS event_samples,
            minMap(CAST(
                (events, arrayMap(e -> time_s, events)), 'Map(LowCardinality(String), UInt64)'
            )) AS event_first_s,
            maxMap(CAST(
                (events, arrayMap(e -> time_s, events)), 'Map(LowCardinality(String), UInt64)'
            )) AS event_last_s
        FROM counted
        WHERE time >= toDateTime({hour:Int64}, 'UTC')
        GROUP BY gpu, mig, minute
    ),
    seen AS
    (
        SELECT gpu, mig, minute, groupUniqArrayIf(pod, pod != '') AS seen_pods, groupArray(process) AS processes
        FROM
        (
            SELECT
                gpu,
                mig,
                toStartOfMinute(time) AS minute,
                argMax(pod, time) AS pod,
                tuple(
                    pid, argMax(executable, time), argMax(container_id, time), argMax(container, time), argMax(pod, time),
                    argMax(namespace, time), argMax(memory_bytes, time), max(memory_bytes),
                    toNullable(avg(utilization_ratio)), toUInt32(count()),
                    toUInt32(toUnixTimestamp(min(time))), toUInt32(toUnixTimestamp(max(time)))
                ) AS process
            FROM gpu_processes FINAL
            WHERE project = {project:String}
                AND toStartOfHour(time) = toDateTime({hour:Int64}, 'UTC')
            GROUP BY gpu, mig, minute, pid
            ORDER BY gpu, mig, minute, pid
        )
        GROUP BY gpu, mig, minute
    )
SELECT
    {project:String} AS project,
    gpu,
    mig,
    minute,
    source,
    gpu_index,
    model,
    mig_profile,
    host,
    namespace,
    pod,
    container,
    arraySort(arrayDistinct(arrayConcat(sampled_pods, seen_pods))) AS pods,
    samples,
    seconds,
    first_time,
    last_time,
    is_lost,
    utilization_ratio,
    newest_utilization_ratio,
    idle_ratio,
    engine_active_ratio,
    memory_active_ratio,
    tensor_active_ratio,
    memory_used AS memory_used_bytes,
    newest_memory_used_bytes,
    memory_peak_bytes,
    memory_total_bytes,
    power_watts,
    newest_power_watts,
    power_limit_watts,
    energy_joules,
    newest_temperature_celsius,
    temperature_peak_celsius,
    sm_clock_hz,
    throttled_ratio,
    clock_events,
    xid,
    xid_errors,
    ecc_corrected_first,
    ecc_corrected_last,
    ecc_uncorrected_first,
    ecc_uncorrected_last,
    pcie_bytes,
    nvlink_bytes,
    event_samples,
    event_first_s,
    event_last_s,
    processes,
    greatest(
        {version:UInt64},
        ifNull(
            (
                SELECT max(version) + 1
                FROM gpu_minutes
                WHERE project = {project:String}
                    AND toStartOfHour(minute) = toDateTime({hour:Int64}, 'UTC')
            ),
            0
        )
    ) AS version
FROM summed
LEFT JOIN seen USING (gpu, mig, minute)
SETTINGS do_not_merge_across_partitions_select_final = 1, prefer_column_name_to_alias = 1
