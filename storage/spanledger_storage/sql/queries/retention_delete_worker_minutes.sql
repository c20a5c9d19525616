-- Remove the rows of worker_minutes that are past the last day of their project.
-- Parameters: partitions: of the table, as YYYYMMDD numbers; projects and days, two lists of one
--   length: the first UTC day (YYYYMMDD) that stays of each project.
-- Result: none. Parts without such rows are not rewritten.
-- Relies on the partitions of worker_minutes (day of minute).
ALTER TABLE worker_minutes DELETE
WHERE toYYYYMMDD(minute) IN {partitions:Array(UInt32)}
    AND project IN {projects:Array(String)}
    AND toYYYYMMDD(minute) < transform(
        toString(project), {projects:Array(String)}, {days:Array(UInt32)}, toUInt32(0)
    )
SETTINGS mutations_sync = 1
