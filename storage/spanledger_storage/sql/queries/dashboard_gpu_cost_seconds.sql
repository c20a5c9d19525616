-- For how long were GPUs paid for?
-- Parameters: project; from_s, to_s: unix seconds, half open.
-- Columns: seconds, of all GPUs together. One row. In five minutes a GPU counts as its longest
--   instance: whether it is divided may change from one to the next.
-- Sort key used: gpu_attribution (project, hour, gpu, ...).
SELECT sum(longest) AS seconds
FROM
(
    SELECT max(seconds) AS longest
    FROM gpu_attribution FINAL
    WHERE project = {project:String}
        AND toStartOfHour(start) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
        AND start >= toDateTime({from_s:Int64}, 'UTC')
        AND start < toDateTime({to_s:Int64}, 'UTC')
        AND is_deleted = 0
    GROUP BY gpu, start
)
