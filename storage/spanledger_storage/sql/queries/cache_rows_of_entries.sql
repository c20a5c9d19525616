-- What is stored in cache_calls about these entries?
-- Parameters: project; hours (UTC start hours, UNIX seconds).
-- Table: asked (entry_id String).
-- Result: one row per entry that has one, all columns; time_ns in UTC nanoseconds.
-- Relies on the sort key of cache_calls (project, start hour, ...) and its index of entry ids.
SELECT
    * EXCEPT (time, is_deleted),
    toUnixTimestamp64Nano(time) AS time_ns
FROM cache_calls FINAL
WHERE project = {project:String}
    AND toStartOfHour(time) IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
    AND entry_id IN (SELECT entry_id FROM asked)
    AND is_deleted = 0
