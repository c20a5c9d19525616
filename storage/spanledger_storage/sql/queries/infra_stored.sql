-- What does the ledger say now about the infrastructure of one hour?
-- Parameters: project; hour (UTC start hour, UNIX seconds).
-- Result: one row per entry that holds, as in ledger_stored_entries.
-- Relies on the sort key of ledger (project, start hour, ...).
SELECT
    * EXCEPT (time, is_deleted),
    toUnixTimestamp64Nano(time) AS time_ns
FROM ledger FINAL
WHERE project = {project:String}
    AND toStartOfHour(time) = toDateTime({hour:Int64}, 'UTC')
    AND kind = 'infra'
    AND is_deleted = 0
