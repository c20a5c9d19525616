-- What do the stored rows of these trajectories say?
-- Parameters: project; hours (UTC start hours, UNIX seconds) and trace_ids (of trajectories), two
--   lists of one length: pair i is an hour in which one of them may start.
-- Result: one row per trajectory that holds; start_ns and end_ns in UTC nanoseconds, cost in USD,
--   version as written.
-- Relies on the sort key of trajectories (project, start hour, trajectory_id). What comes before
--   FINAL may only ask for columns of that key; without it every column of an hour would be read.
SELECT
    * EXCEPT (start_time, end_time, is_deleted),
    toUnixTimestamp64Nano(start_time) AS start_ns,
    toUnixTimestamp64Nano(end_time) AS end_ns
FROM trajectories FINAL
PREWHERE project = {project:String} AND trajectory_id IN {trace_ids:Array(String)}
WHERE is_deleted = 0
    AND (toStartOfHour(start_time), trajectory_id) IN (
        SELECT toDateTime(pair.1, 'UTC'), pair.2
        FROM (SELECT arrayJoin(arrayZip({hours:Array(UInt32)}, {trace_ids:Array(String)})) AS pair)
    )
