-- Remove the rows of traces that are past the last day of their project, as their whole
-- trajectories are.
-- Parameters: partitions: of the table, as YYYYMM numbers; projects and days, two lists of one
--   length: the first UTC day (YYYYMMDD) that stays of each project.
-- Result: none. Parts without such rows are not rewritten.
-- Relies on the partitions of traces (month of start_time).
ALTER TABLE traces DELETE
WHERE toYYYYMM(start_time) IN {partitions:Array(UInt32)}
    AND project IN {projects:Array(String)}
    AND toYYYYMMDD(greatest(start_time, end_time)) < transform(
        toString(project), {projects:Array(String)}, {days:Array(UInt32)}, toUInt32(0)
    )
    AND (project, trace_id) NOT IN (
        SELECT project, arrayJoin(trace_ids)
        FROM trajectories FINAL
        WHERE project IN {projects:Array(String)}
            AND is_deleted = 0
            AND traces > 1
            AND toYYYYMMDD(greatest(start_time, end_time)) >= transform(
                toString(project), {projects:Array(String)}, {days:Array(UInt32)}, toUInt32(0)
            )
    )
SETTINGS mutations_sync = 1
