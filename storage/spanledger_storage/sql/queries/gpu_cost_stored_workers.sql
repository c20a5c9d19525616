-- What does the store say that inference workers cost and did in an hour?
-- Parameters: project; hour (UTC start hour, UNIX seconds).
-- Result: the rows of gpu_worker_hours that hold; hour_s in UNIX seconds, costs in USD.
-- Relies on the sort key of gpu_worker_hours (project, hour, worker, model).
SELECT * EXCEPT (hour, is_deleted), toInt64(toUnixTimestamp(hour)) AS hour_s
FROM gpu_worker_hours FINAL
WHERE project = {project:String}
    AND hour = toDateTime({hour:Int64}, 'UTC')
    AND is_deleted = 0
