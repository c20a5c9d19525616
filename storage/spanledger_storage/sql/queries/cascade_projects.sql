-- Of which projects did spans come since a time?
-- Parameters: from_ns: UTC nanoseconds.
-- Result: project, one row per project, by name.
-- Relies on the sort key of touches (touched_at, ...); its rows of all projects since then are read.
SELECT DISTINCT toString(project) AS project
FROM touches
WHERE touched_at >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')
    AND trace_id != ''
ORDER BY project
