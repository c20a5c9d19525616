-- What did each GPU do in the minutes of an hour, as far as its cost depends on it?
-- Parameters: project; hour (UTC start hour, UNIX seconds).
-- Result: one row per GPU or MIG instance and minute with samples: gpu, mig, minute (0 to 59),
--   gpu_index, model, mig_profile, host, pods, used_ratio (share of time it was active),
--   memory_total_bytes, energy_joules. NULL where nobody tells.
-- Relies on the sort key of gpu_minutes (project, hour, gpu, mig, minute).
SELECT
    gpu,
    mig,
    toUInt8(toMinute(minute)) AS minute,
    gpu_index,
    model,
    mig_profile,
    host,
    pods,
    coalesce(engine_active_ratio, utilization_ratio) AS used_ratio,
    memory_total_bytes,
    energy_joules
FROM gpu_minutes FINAL
WHERE project = {project:String}
    AND toStartOfHour(minute) = toDateTime({hour:Int64}, 'UTC')
ORDER BY gpu, mig, minute
SETTINGS prefer_column_name_to_alias = 1
