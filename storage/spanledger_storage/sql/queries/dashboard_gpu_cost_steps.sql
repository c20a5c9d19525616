-- Where did the money of GPUs go over time?
-- Parameters: project; from_s, to_s: unix seconds, half open; bucket_s: a multiple of a minute.
-- Columns: bucket_s (start), line (attributed priced idle warm_up overhead kept), cost_usd. One row per
--   bucket and line; five minutes count where they begin.
-- Sort key used: gpu_attribution (project, hour, ...).
SELECT
    {from_s:Int64} + intDiv(
        greatest(0, toInt64(toUnixTimestamp(start)) - {from_s:Int64}), {bucket_s:Int64}
    ) * {bucket_s:Int64} AS bucket_s,
    line,
    sum(cost_usd) AS cost_usd
FROM gpu_attribution FINAL
WHERE project = {project:String}
    AND toStartOfHour(start) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
    AND start >= toDateTime({from_s:Int64}, 'UTC')
    AND start < toDateTime({to_s:Int64}, 'UTC')
    AND is_deleted = 0
GROUP BY bucket_s, line
ORDER BY bucket_s, line
SETTINGS prefer_column_name_to_alias = 1
