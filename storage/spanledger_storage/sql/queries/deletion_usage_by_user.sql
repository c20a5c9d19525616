-- Remove the hourly usage by user of these hours, replaced rows and tombstones included.
-- Parameters: project; hours (UTC, UNIX seconds).
-- Result: none. Who is to be forgotten must not stay in an old row; usage is summed again after it.
-- Relies on the sort key of usage_by_user (project, hour, ...).
ALTER TABLE usage_by_user DELETE
WHERE project = {project:String}
    AND toUnixTimestamp(hour) IN {hours:Array(UInt32)}
SETTINGS mutations_sync = 2
