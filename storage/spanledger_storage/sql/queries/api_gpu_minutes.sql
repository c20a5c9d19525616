-- What did GPUs and MIG instances do, minute by minute, the newest first, from one place on?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the minute's start; after_ns, after_id:
-- the minute (unix ns) and gpu/mig to go on from, below zero: from the newest; filters (empty: not
-- filtered): gpu, host, pod, namespace; page_rows.
-- Columns: time (the minute) and those of gpu_minutes that sum up samples. One row per GPU or instance
-- and minute.
-- Sort key used: (project, toStartOfHour(minute), gpu, mig, minute).
SELECT * EXCEPT (minute, event_samples, event_first_s, event_last_s, processes, version), toDateTime64(minute, 3, 'UTC') AS time
FROM gpu_minutes FINAL
WHERE project = {project:String}
    AND minute >= toDateTime({from_s:Int64}, 'UTC')
    AND minute < toDateTime({to_s:Int64}, 'UTC')
    AND (
        {after_ns:Int64} < 0
        OR (toUnixTimestamp(minute) * 1000000000, concat(gpu, '/', mig)) < ({after_ns:Int64}, {after_id:String})
    )
    AND ({gpu:String} = '' OR gpu = {gpu:String})
    AND ({host:String} = '' OR host = {host:String})
    AND ({pod:String} = '' OR pod = {pod:String})
    AND ({namespace:String} = '' OR namespace = {namespace:String})
ORDER BY minute DESC, concat(gpu, '/', mig) DESC
LIMIT {page_rows:UInt64}
