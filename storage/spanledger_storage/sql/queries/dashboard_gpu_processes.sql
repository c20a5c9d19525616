-- Which processes used the GPUs?
-- Parameters: project; from_s, to_s: unix seconds, half open; gpu: only this one, '' for all.
-- Columns: gpu, mig, pid, host, executable, container_id, container, pod, namespace, memory_bytes
--   (newest), memory_peak_bytes, utilization_ratio (mean over the samples that tell it), first_s,
--   last_s. One row per GPU and process, the most memory first, 500 at most.
-- Sort key used: (project, toStartOfHour(time), gpu).
SELECT
    gpu,
    mig,
    pid,
    anyLast(host) AS host,
    argMax(executable, time) AS executable,
    argMax(container_id, time) AS container_id,
    argMax(container, time) AS container,
    argMax(pod, time) AS pod,
    argMax(namespace, time) AS namespace,
    argMax(memory_bytes, time) AS memory_bytes,
    max(memory_bytes) AS memory_peak_bytes,
    avg(utilization_ratio) AS utilization_ratio,
    toUnixTimestamp(min(time)) AS first_s,
    toUnixTimestamp(max(time)) AS last_s
FROM gpu_processes FINAL
WHERE project = {project:String}
    AND toStartOfHour(time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
    AND time >= toDateTime({from_s:Int64}, 'UTC')
    AND time < toDateTime({to_s:Int64}, 'UTC')
    AND ({gpu:String} = '' OR gpu = {gpu:String})
GROUP BY gpu, mig, pid
ORDER BY memory_peak_bytes DESC, gpu, mig, pid
LIMIT 500
SETTINGS do_not_merge_across_partitions_select_final = 1, prefer_column_name_to_alias = 1
