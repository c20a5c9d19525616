-- How many rows of spans and logs have these projects before a day, in these partitions?
-- Parameters: projects: names; day: UTC day (YYYYMMDD), rows of earlier days count; partitions: of
--   both tables, as YYYYMMDD numbers.
-- Result: one row per table, project and partition with rows: table_name, project, partition, rows.
-- Relies on the partitions (day) and sort keys (project, ...) of both tables.
SELECT 'spans' AS table_name, project, toYYYYMMDD(start_time) AS partition, count() AS rows
FROM spans
WHERE toYYYYMMDD(start_time) < {day:UInt32}
    AND toYYYYMMDD(start_time) IN {partitions:Array(UInt32)}
    AND project IN {projects:Array(String)}
GROUP BY project, partition
UNION ALL
SELECT 'logs' AS table_name, project, toYYYYMMDD(time) AS partition, count() AS rows
FROM logs
WHERE toYYYYMMDD(time) < {day:UInt32}
    AND toYYYYMMDD(time) IN {partitions:Array(UInt32)}
    AND project IN {projects:Array(String)}
GROUP BY project, partition
