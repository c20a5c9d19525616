-- What do the stored rows of these traces say?
-- Parameters: project.
-- Table: asked (hour UInt32, trace_id String): hours in which traces have spans, UTC start hours
--   in UNIX seconds.
-- Result: one row per trace that holds; start_ns and end_ns in UTC nanoseconds, cost in USD,
--   version as written.
-- Relies on the sort key of traces (project, start hour, trace_id). What comes before
--   FINAL may only ask for columns of that key; without it every column of an hour would be read.
SELECT
    * EXCEPT (start_time, end_time, is_deleted),
    toUnixTimestamp64Nano(start_time) AS start_ns,
    toUnixTimestamp64Nano(end_time) AS end_ns
FROM traces FINAL
PREWHERE project = {project:String}
    AND (toStartOfHour(start_time), trace_id) IN (SELECT toDateTime(hour, 'UTC'), trace_id FROM asked)
WHERE is_deleted = 0
