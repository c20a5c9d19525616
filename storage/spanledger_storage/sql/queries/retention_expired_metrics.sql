-- How many metric points are past a day, in which parts of the table?
-- Parameters: projects: names; day: the first UTC day that stays, as YYYYMMDD; metrics: names that
--   state usage; anchors_from: UTC day (YYYYMMDD), older points are no anchors.
-- Result: one row per part with such rows: table_name, part, expired (rows). The newest point of
--   each cumulative stream of usage before the day does not count: it is the anchor that the next
--   point of the stream is compared with.
-- Relies on the partitions of metric_points (day) and its sort key (project, hour, metric, ...).
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
