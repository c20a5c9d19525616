-- What do the stored rows of these traces say?
-- Parameters: project; hours (UTC start hours, UNIX seconds) and trace_ids, two lists of one
--   length: pair i is one hour in which one trace has spans.
-- Result: one row per trace that holds; start_ns and end_ns in UTC nanoseconds, cost in USD,
--   version as written.
-- Relies on the sort key of traces (project, start hour, trace_id). What comes before
--   FINAL may only ask for columns of that key; without it every column of an hour would be read.
SELECT
    * EXCEPT (start_time, end_time, is_deleted),
    toUnixTimestamp64Nano(start_time) AS start_ns,
    toUnixTimestamp64Nano(end_time) AS end_ns
FROM traces FINAL
PREWHERE project = {project:String} AND trace_id IN {trace_ids:Array(String)}
WHERE is_deleted = 0
    AND (toStartOfHour(start_time), trace_id) IN (
        SELECT toDateTime(pair.1, 'UTC'), pair.2
        FROM (SELECT arrayJoin(arrayZip({hours:Array(UInt32)}, {trace_ids:Array(String)})) AS pair)
    )
