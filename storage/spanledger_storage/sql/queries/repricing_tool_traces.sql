-- In which traces did tools run in a period?
-- Parameters: from_ns, to_ns (UTC nanoseconds, half open).
-- Result: one row per project and trace.
-- Relies on the partitions of spans (day of start).
SELECT DISTINCT project, trace_id
FROM spans
PREWHERE role = 'tool'
WHERE start_time >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')
    AND start_time < fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
ORDER BY project, trace_id
