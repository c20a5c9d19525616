-- What does the ledger say of the calls in these traces around an hour?
-- Parameters: project; hour (UTC start hour, UNIX seconds); trace_ids.
-- Result: as of ledger_stored_entries, of kinds llm and embedding.
-- Relies on the sort key of ledger (project, start hour, trace_id, entry_id); what comes before
--   FINAL may only ask for columns of that key.
SELECT
    * EXCEPT (time, is_deleted),
    toUnixTimestamp64Nano(time) AS time_ns
FROM ledger FINAL
PREWHERE project = {project:String}
    AND toStartOfHour(time) >= toDateTime({hour:Int64} - 7200, 'UTC')
    AND toStartOfHour(time) <= toDateTime({hour:Int64} + 3600, 'UTC')
    AND trace_id IN {trace_ids:Array(String)}
WHERE is_deleted = 0
    AND kind IN ('llm', 'embedding')
