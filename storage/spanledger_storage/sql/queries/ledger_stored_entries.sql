-- What does the ledger say now about these traces?
-- Parameters: project.
-- Table: asked (hour UInt32, trace_id String): hours in which traces have spans, UTC start hours
--   in UNIX seconds.
-- Result: one row per entry that holds; time_ns in UTC nanoseconds, costs in USD,
--   version as written.
-- Relies on the sort key of ledger (project, start hour, trace_id, entry_id). What comes before
--   FINAL may only ask for columns of that key; without it every column of an hour would be read.
SELECT
    * EXCEPT (time, is_deleted),
    toUnixTimestamp64Nano(time) AS time_ns
FROM ledger FINAL
PREWHERE project = {project:String}
    AND (toStartOfHour(time), trace_id) IN (SELECT toDateTime(hour, 'UTC'), trace_id FROM asked)
WHERE is_deleted = 0
