-- How long did calls take, over days and by model, in buckets of whole hours?
-- Parameters: project; within, name: only calls whose column "within" of usage_hourly holds "name"
-- (project and the project: all of them); from_s, to_s: unix seconds, half open, on hours; bucket_s:
-- seconds, a multiple of 3600.
-- Columns: part, bucket_s, model as in dashboard_latency; duration_counts, ttft_counts, speed_counts:
-- histograms as in usage_hourly. Rows: those of dashboard_latency.
-- Sort key used: (project, hour).
SELECT
    multiIf(grouping(bucket) = 0, 'bucket', grouping(model) = 0, 'model', 'all') AS part,
    bucket AS bucket_s,
    model,
    sumMap(summed.duration_counts) AS duration_counts,
    sumMap(summed.ttft_counts) AS ttft_counts,
    sumMap(summed.speed_counts) AS speed_counts
FROM
(
    -- Adding histograms up is what takes time: each row's once, then the few sums.
    SELECT
        intDiv(toUnixTimestamp(hour), {bucket_s:UInt32}) * {bucket_s:UInt32} AS bucket,
        model,
        sumMap(usage_hourly.duration_counts) AS duration_counts,
        sumMap(usage_hourly.ttft_counts) AS ttft_counts,
        sumMap(usage_hourly.speed_counts) AS speed_counts
    FROM usage_hourly FINAL
    WHERE project = {project:String}
        AND hour >= toDateTime({from_s:Int64}, 'UTC')
        AND hour < toDateTime({to_s:Int64}, 'UTC')
        AND {within:Identifier} = {name:String}
        AND is_deleted = 0
        AND notEmpty(usage_hourly.duration_counts)
    GROUP BY bucket, model
) AS summed
GROUP BY GROUPING SETS ((bucket), (model), ())
HAVING notEmpty(duration_counts)
ORDER BY part, bucket_s, model
