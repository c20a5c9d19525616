-- How many rows of money are past a day, in which parts of the tables?
-- Parameters: projects: names; day: the first UTC day that stays, as YYYYMMDD.
-- Result: one row per table and part with such rows: table_name, part, expired (rows).
-- Relies on the partitions of the tables (month), and on sort keys that begin with project.
SELECT 'ledger' AS table_name, _part AS part, count() AS expired
FROM ledger
WHERE toYYYYMM(time) <= intDiv({day:UInt32}, 100)
    AND toYYYYMMDD(time) < {day:UInt32}
    AND project IN {projects:Array(String)}
GROUP BY part
UNION ALL
SELECT 'usage_hourly' AS table_name, _part AS part, count() AS expired
FROM usage_hourly
WHERE toYYYYMM(hour) <= intDiv({day:UInt32}, 100)
    AND toYYYYMMDD(hour) < {day:UInt32}
    AND project IN {projects:Array(String)}
GROUP BY part
UNION ALL
SELECT 'usage_by_user' AS table_name, _part AS part, count() AS expired
FROM usage_by_user
WHERE toYYYYMM(hour) <= intDiv({day:UInt32}, 100)
    AND toYYYYMMDD(hour) < {day:UInt32}
    AND project IN {projects:Array(String)}
GROUP BY part
UNION ALL
SELECT 'gpu_attribution' AS table_name, _part AS part, count() AS expired
FROM gpu_attribution
WHERE toYYYYMM(start) <= intDiv({day:UInt32}, 100)
    AND toYYYYMMDD(start) < {day:UInt32}
    AND project IN {projects:Array(String)}
GROUP BY part
UNION ALL
SELECT 'gpu_worker_hours' AS table_name, _part AS part, count() AS expired
FROM gpu_worker_hours
WHERE toYYYYMM(hour) <= intDiv({day:UInt32}, 100)
    AND toYYYYMMDD(hour) < {day:UInt32}
    AND project IN {projects:Array(String)}
GROUP BY part
UNION ALL
SELECT 'cache_calls' AS table_name, _part AS part, count() AS expired
FROM cache_calls
WHERE toYYYYMM(time) <= intDiv({day:UInt32}, 100)
    AND toYYYYMMDD(time) < {day:UInt32}
    AND project IN {projects:Array(String)}
GROUP BY part
