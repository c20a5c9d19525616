-- Remove the metric points that are past the last day of their project, but for the newest of each
-- cumulative stream of usage: the next point of the stream is compared with it.
-- Parameters: partitions: of the table, as YYYYMMDD numbers; projects and days, two lists of one
--   length: the first UTC day (YYYYMMDD) that stays of each project; metrics: names that state
--   usage; anchors_from: UTC day (YYYYMMDD), older points are kept for nothing.
-- Result: none. Parts without such rows are not rewritten.
-- Relies on the partitions of metric_points (day of time).
ALTER TABLE metric_points DELETE
WHERE toYYYYMMDD(time) IN {partitions:Array(UInt32)}
    AND project IN {projects:Array(String)}
    AND toYYYYMMDD(time) < transform(
        toString(project), {projects:Array(String)}, {days:Array(UInt32)}, toUInt32(0)
    )
    AND (project, series_id, start_time, time) NOT IN
    (
        SELECT project, series_id, start_time, max(time)
        FROM metric_points
        WHERE toYYYYMMDD(time) >= {anchors_from:UInt32}
            AND project IN {projects:Array(String)}
            AND toYYYYMMDD(time) < transform(
                toString(project), {projects:Array(String)}, {days:Array(UInt32)}, toUInt32(0)
            )
            AND metric IN {metrics:Array(String)}
            AND temporality = 'cumulative'
        GROUP BY project, series_id, start_time
    )
SETTINGS mutations_sync = 1
