-- What did each inference worker do in the minutes of an hour, as far as costs depend on it?
-- Parameters: project; hour (UTC start hour, UNIX seconds).
-- Result: one row per worker, model and minute with samples: worker, model, minute (0 to 59),
--   engine, service_name, host, pod, running_ratio, busy_seconds, started_s (UNIX seconds),
--   has_served. NULL where the engine does not tell.
-- Relies on the sort key of worker_minutes (project, hour, worker, model, minute).
SELECT
    worker,
    model,
    toUInt8(toMinute(minute)) AS minute,
    engine,
    service_name,
    host,
    pod,
    running_ratio,
    busy_seconds,
    toInt64(toUnixTimestamp(started)) AS started_s,
    has_served
FROM worker_minutes FINAL
WHERE project = {project:String}
    AND toStartOfHour(minute) = toDateTime({hour:Int64}, 'UTC')
ORDER BY worker, model, minute
SETTINGS prefer_column_name_to_alias = 1
