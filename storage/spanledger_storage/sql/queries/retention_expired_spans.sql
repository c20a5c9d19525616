-- How many rows of spans, logs, traces, trajectories, findings and dead letters are past a day, in
-- which parts?
-- Parameters: projects: names; day: the first UTC day that stays, as YYYYMMDD.
-- Result: one row per table and part with such rows: table_name, part, expired (rows). A trace
--   is past the day when its last span ended before it, and that of its trajectory, too.
-- Relies on the partitions of spans and logs (day) and traces, trajectories and findings (month), and on sort keys that
--   begin with project.
SELECT 'spans' AS table_name, _part AS part, count() AS expired
FROM spans
WHERE toYYYYMMDD(start_time) < {day:UInt32} AND project IN {projects:Array(String)}
GROUP BY part
UNION ALL
SELECT 'logs' AS table_name, _part AS part, count() AS expired
FROM logs
WHERE toYYYYMMDD(time) < {day:UInt32} AND project IN {projects:Array(String)}
GROUP BY part
UNION ALL
SELECT 'traces' AS table_name, _part AS part, count() AS expired
FROM traces
WHERE toYYYYMM(start_time) <= intDiv({day:UInt32}, 100)
    AND toYYYYMMDD(greatest(start_time, end_time)) < {day:UInt32}
    AND project IN {projects:Array(String)}
    AND (project, trace_id) NOT IN (
        SELECT project, arrayJoin(trace_ids)
        FROM trajectories FINAL
        WHERE project IN {projects:Array(String)}
            AND is_deleted = 0
            AND traces > 1
            AND toYYYYMMDD(greatest(start_time, end_time)) >= {day:UInt32}
    )
GROUP BY part
UNION ALL
SELECT 'trajectories' AS table_name, _part AS part, count() AS expired
FROM trajectories
WHERE toYYYYMM(start_time) <= intDiv({day:UInt32}, 100)
    AND toYYYYMMDD(greatest(start_time, end_time)) < {day:UInt32}
    AND project IN {projects:Array(String)}
GROUP BY part
UNION ALL
SELECT 'findings' AS table_name, _part AS part, count() AS expired
FROM findings
WHERE toYYYYMM(first_seen) <= intDiv({day:UInt32}, 100)
    AND toYYYYMMDD(last_seen) < {day:UInt32}
    AND project IN {projects:Array(String)}
GROUP BY part
UNION ALL
SELECT 'dead_letters' AS table_name, _part AS part, count() AS expired
FROM dead_letters
WHERE toYYYYMMDD(received_at) < {day:UInt32} AND project IN {projects:Array(String)}
GROUP BY part
