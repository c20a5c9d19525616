-- What did GPUs tell, sample by sample, the newest first, from one place on?
-- Parameters: project; from_s, to_s: unix seconds, half open; after_ns, after_id: the second (unix ns)
-- and gpu/mig to go on from, below zero: from the newest; filters (empty: not filtered): gpu, host, pod,
-- namespace; page_rows.
-- Columns: as in gpu_samples, time as the moment. One row per GPU or MIG instance and second.
-- Sort key used: (project, toStartOfHour(time), gpu, mig, time).
SELECT * EXCEPT (time), toDateTime64(sample.time, 3, 'UTC') AS time
FROM gpu_samples AS sample FINAL
WHERE project = {project:String}
    AND sample.time >= toDateTime({from_s:Int64}, 'UTC')
    AND sample.time < toDateTime({to_s:Int64}, 'UTC')
    AND (
        {after_ns:Int64} < 0
        OR (toUnixTimestamp(sample.time) * 1000000000, concat(gpu, '/', mig)) < ({after_ns:Int64}, {after_id:String})
    )
    AND ({gpu:String} = '' OR gpu = {gpu:String})
    AND ({host:String} = '' OR host = {host:String})
    AND ({pod:String} = '' OR pod = {pod:String})
    AND ({namespace:String} = '' OR namespace = {namespace:String})
ORDER BY sample.time DESC, concat(gpu, '/', mig) DESC
LIMIT {page_rows:UInt64}
