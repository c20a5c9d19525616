-- How many metric points, and rows made of them, are past a day, in which parts of the tables?
-- Parameters: projects: names; day: the first UTC day that stays, as YYYYMMDD; metrics: names that
--   state usage; anchors_from: UTC day (YYYYMMDD), older points are no anchors.
-- Result: one row per part with such rows: table_name, part, expired (rows). The newest point of
--   each cumulative stream of usage before the day does not count: it is the anchor that the next
--   point of the stream is compared with.
-- Relies on the partitions of the tables (day) and the sort key of metric_points (project, hour,
-- metric, ...).
SELECT 'metric_points' AS table_name, _part AS part, count() AS expired
FROM metric_points
WHERE toYYYYMMDD(time) < {day:UInt32}
    AND project IN {projects:Array(String)}
    AND (project, series_id, start_time, time) NOT IN
    (
        SELECT project, series_id, start_time, max(time)
        FROM metric_points
        WHERE toYYYYMMDD(time) < {day:UInt32}
            AND toYYYYMMDD(time) >= {anchors_from:UInt32}
            AND project IN {projects:Array(String)}
            AND metric IN {metrics:Array(String)}
            AND temporality = 'cumulative'
        GROUP BY project, series_id, start_time
    )
GROUP BY part
UNION ALL
SELECT 'gpu_samples' AS table_name, _part AS part, count() AS expired
FROM gpu_samples
WHERE toYYYYMMDD(time) < {day:UInt32} AND project IN {projects:Array(String)}
GROUP BY part
UNION ALL
SELECT 'gpu_processes' AS table_name, _part AS part, count() AS expired
FROM gpu_processes
WHERE toYYYYMMDD(time) < {day:UInt32} AND project IN {projects:Array(String)}
GROUP BY part
UNION ALL
SELECT 'inference_samples' AS table_name, _part AS part, count() AS expired
FROM inference_samples
WHERE toYYYYMMDD(time) < {day:UInt32} AND project IN {projects:Array(String)}
GROUP BY part
UNION ALL
SELECT 'gpu_minutes' AS table_name, _part AS part, count() AS expired
FROM gpu_minutes
WHERE toYYYYMMDD(minute) < {day:UInt32} AND project IN {projects:Array(String)}
GROUP BY part
UNION ALL
SELECT 'worker_minutes' AS table_name, _part AS part, count() AS expired
FROM worker_minutes
WHERE toYYYYMMDD(minute) < {day:UInt32} AND project IN {projects:Array(String)}
GROUP BY part
