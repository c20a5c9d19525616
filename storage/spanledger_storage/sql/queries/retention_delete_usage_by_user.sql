-- Remove the rows of usage_by_user that are past the last day of their project.
-- Parameters: partitions: of the table, as YYYYMM numbers; projects and days, two lists of one
--   length: the first UTC day (YYYYMMDD) that stays of each project.
-- Result: none. Parts without such rows are not rewritten.
-- Relies on the partitions of usage_by_user (month of hour).
ALTER TABLE usage_by_user DELETE
WHERE toYYYYMM(hour) IN {partitions:Array(UInt32)}
    AND project IN {projects:Array(String)}
    AND toYYYYMMDD(hour) < transform(
        toString(project), {projects:Array(String)}, {days:Array(UInt32)}, toUInt32(0)
    )
SETTINGS mutations_sync = 1
