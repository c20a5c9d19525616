-- Where does the store say that the money of GPUs went in an hour?
-- Parameters: project; hour (UTC start hour, UNIX seconds).
-- Result: the rows of gpu_attribution that hold; start_s in UNIX seconds, costs in USD.
-- Relies on the sort key of gpu_attribution (project, hour, gpu, mig, start, line).
SELECT * EXCEPT (start, is_deleted), toInt64(toUnixTimestamp(start)) AS start_s
FROM gpu_attribution FINAL
WHERE project = {project:String}
    AND toStartOfHour(start) = toDateTime({hour:Int64}, 'UTC')
    AND is_deleted = 0
