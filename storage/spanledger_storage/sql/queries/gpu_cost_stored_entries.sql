-- Which entries of GPUs does the ledger hold for an hour?
-- Parameters: project; hour (UTC start hour, UNIX seconds).
-- Result: as of ledger_stored_entries. What a deletion kept is nobody's entry any more.
-- Relies on the sort key of ledger (project, start hour, trace_id, entry_id).
SELECT
    * EXCEPT (time, is_deleted),
    toUnixTimestamp64Nano(time) AS time_ns
FROM ledger FINAL
PREWHERE project = {project:String}
    AND toStartOfHour(time) = toDateTime({hour:Int64}, 'UTC')
WHERE is_deleted = 0
    AND kind = 'gpu'
    AND NOT has(flags, 'deleted')
