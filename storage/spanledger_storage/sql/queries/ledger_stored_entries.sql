-- What does the ledger say now about these traces?
-- Parameters: project; hours (UTC start hours, UNIX seconds) and trace_ids, two lists of one
--   length: pair i is one hour in which one trace has spans.
-- Result: one row per entry that holds; time_ns in UTC nanoseconds, costs in USD,
--   version as written.
-- Relies on the sort key of ledger (project, start hour, trace_id, entry_id). What comes before
--   FINAL may only ask for columns of that key; without it every column of an hour would be read.
SELECT
    * EXCEPT (time, is_deleted),
    toUnixTimestamp64Nano(time) AS time_ns
FROM ledger FINAL
PREWHERE project = {project:String} AND trace_id IN {trace_ids:Array(String)}
WHERE is_deleted = 0
    AND (toStartOfHour(time), trace_id) IN (
        SELECT toDateTime(pair.1, 'UTC'), pair.2
        FROM (SELECT arrayJoin(arrayZip({hours:Array(UInt32)}, {trace_ids:Array(String)})) AS pair)
    )
