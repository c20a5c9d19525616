-- Which processes used the GPUs in a long time range?
-- Parameters: project; from_s, to_s: unix seconds, half open, whole minutes are read; gpu: only this
--   one, '' for all.
-- Columns: as of dashboard_gpu_processes, from the minutes.
-- Sort key used: gpu_minutes (project, hour, gpu, mig, minute).
SELECT
    gpu,
    mig,
    process.pid AS pid,
    anyLast(host) AS host,
    argMax(process.executable, minute) AS executable,
    argMax(process.container_id, minute) AS container_id,
    argMax(process.container, minute) AS container,
    argMax(process.pod, minute) AS pod,
    argMax(process.namespace, minute) AS namespace,
    argMax(process.memory_bytes, minute) AS memory_bytes,
    max(process.memory_peak_bytes) AS memory_peak_bytes,
    sum(process.utilization_ratio * process.samples)
        / sumIf(process.samples, isNotNull(process.utilization_ratio)) AS utilization_ratio,
    min(process.first_s) AS first_s,
    max(process.last_s) AS last_s
FROM gpu_minutes FINAL
ARRAY JOIN processes AS process
WHERE project = {project:String}
    AND toStartOfHour(minute) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
    AND minute >= toStartOfMinute(toDateTime({from_s:Int64}, 'UTC'))
    AND minute < toDateTime({to_s:Int64}, 'UTC')
    AND ({gpu:String} = '' OR gpu = {gpu:String})
GROUP BY gpu, mig, pid
ORDER BY max(process.memory_peak_bytes) DESC, gpu, mig, pid
LIMIT 500
SETTINGS do_not_merge_across_partitions_select_final = 1, prefer_column_name_to_alias = 1
