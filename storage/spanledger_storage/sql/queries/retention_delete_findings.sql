-- Remove the findings that were last seen before the first day that stays of their project.
-- Parameters: partitions: of the table, as YYYYMM numbers; projects and days, two lists of one
--   length: the first UTC day (YYYYMMDD) that stays of each project.
-- Result: none. Parts without such rows are not rewritten.
-- Relies on the partitions of findings (month of first_seen).
ALTER TABLE findings DELETE
WHERE toYYYYMM(first_seen) IN {partitions:Array(UInt32)}
    AND project IN {projects:Array(String)}
    AND toYYYYMMDD(last_seen) < transform(
        toString(project), {projects:Array(String)}, {days:Array(UInt32)}, toUInt32(0)
    )
SETTINGS mutations_sync = 1
