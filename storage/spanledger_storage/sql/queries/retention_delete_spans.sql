-- Remove the rows of spans that are past the last day of their project.
-- Parameters: partitions: of the table, as YYYYMMDD numbers; projects and days, two lists of one
--   length: the first UTC day (YYYYMMDD) that stays of each project.
-- Result: none. Parts without such rows are not rewritten.
-- Relies on the partitions of spans (day of start_time).
ALTER TABLE spans DELETE
WHERE toYYYYMMDD(start_time) IN {partitions:Array(UInt32)}
    AND project IN {projects:Array(String)}
    AND toYYYYMMDD(start_time) < transform(
        toString(project), {projects:Array(String)}, {days:Array(UInt32)}, toUInt32(0)
    )
SETTINGS mutations_sync = 1
