-- What does the ledger say now about these traces, also in hours of which no span is left?
-- Parameters: project; trace_ids; from_s, to_s: UTC start hours (UNIX seconds) to look at.
-- Result: as of ledger_stored_entries.
-- Relies on the sort key of ledger (project, start hour, trace_id, entry_id), which bounds what is
--   read; what comes before FINAL may only ask for columns of that key.
SELECT
    * EXCEPT (time, is_deleted),
    toUnixTimestamp64Nano(time) AS time_ns
FROM ledger FINAL
PREWHERE project = {project:String}
    AND toStartOfHour(time) BETWEEN toDateTime({from_s:Int64}, 'UTC') AND toDateTime({to_s:Int64}, 'UTC')
    AND trace_id IN {trace_ids:Array(String)}
WHERE is_deleted = 0
