-- Remove the rows of gpu_attribution that are past the last day of their project.
-- Parameters: partitions: of the table, as YYYYMM numbers; projects and days, two lists of one
--   length: the first UTC day (YYYYMMDD) that stays of each project.
-- Result: none. Parts without such rows are not rewritten.
-- Relies on the partitions of gpu_attribution (month of start).
ALTER TABLE gpu_attribution DELETE
WHERE toYYYYMM(start) IN {partitions:Array(UInt32)}
    AND project IN {projects:Array(String)}
    AND toYYYYMMDD(start) < transform(
        toString(project), {projects:Array(String)}, {days:Array(UInt32)}, toUInt32(0)
    )
SETTINGS mutations_sync = 1
