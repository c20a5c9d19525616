-- Which entries of one hour are known from metrics alone?
-- Parameters: project; hour (UTC start hour, UNIX seconds).
-- Result: one row per entry that holds, as in ledger_stored_entries.
-- Relies on the sort key of ledger (project, hour, trace_id, entry_id); these have no trace.
SELECT
    * EXCEPT (time, is_deleted),
    toUnixTimestamp64Nano(time) AS time_ns
FROM ledger FINAL
WHERE project = {project:String}
    AND toStartOfHour(time) = toDateTime({hour:Int64}, 'UTC')
    AND trace_id = ''
    AND usage_source = 'metric'
    AND is_deleted = 0
