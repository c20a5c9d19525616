-- Which inference workers were asked, and do they answer?
-- Parameters: project; from_s, to_s: unix seconds, half open.
-- Columns: worker, engine, host, is_up (newest; NULL: nobody says), up_ratio (share of the scrapes
--   that were answered), newest_s. One row per worker.
-- Sort key used: (project, toStartOfHour(time), worker).
SELECT
    worker,
    argMax(engine, (engine != '', time)) AS engine,
    anyLast(host) AS host,
    argMax(is_up, time) AS is_up,
    avg(toFloat64(is_up)) AS up_ratio,
    toUnixTimestamp(max(time)) AS newest_s
FROM inference_samples FINAL
WHERE project = {project:String}
    AND toStartOfHour(time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
    AND time >= toDateTime({from_s:Int64}, 'UTC')
    AND time < toDateTime({to_s:Int64}, 'UTC')
GROUP BY worker
ORDER BY worker
SETTINGS prefer_column_name_to_alias = 1
