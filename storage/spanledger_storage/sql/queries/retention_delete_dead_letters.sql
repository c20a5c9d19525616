-- Remove the dead letters that were received before the first day of spans that their project keeps.
-- Parameters: projects and days, two lists of one length: the first UTC day (YYYYMMDD) that stays
--   of each project.
-- Result: none. Parts without such rows are not rewritten.
-- Relies on the sort key of dead_letters (project, letter_id).
ALTER TABLE dead_letters DELETE
WHERE project IN {projects:Array(String)}
    AND toYYYYMMDD(received_at) < transform(
        toString(project), {projects:Array(String)}, {days:Array(UInt32)}, toUInt32(0)
    )
SETTINGS mutations_sync = 1
