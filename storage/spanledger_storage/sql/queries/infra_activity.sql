-- For how long did each trace use a service in a part of an hour, and how long anybody?
-- Parameters: project; service; from_ns, to_ns (UTC nanoseconds, half open, within one hour).
-- Result: one row per trace, and one without a trace id over all; active_ns: length of the union of
--   its spans in that part. Spans that started more than a day before are not looked for; what only
--   waits (a pause of the SDK's) and log records use nothing.
-- Relies on the sort key of spans (project, start hour, ...).
SELECT
    if(grouping(of_trace) = 0, of_trace, '') AS trace_id,
    toInt64(intervalLengthSum(begun_ns, ended_ns)) AS active_ns
FROM
(
    SELECT
        trace_id AS of_trace,
        greatest(toUnixTimestamp64Nano(start_time), {from_ns:Int64}) AS begun_ns,
        least(toUnixTimestamp64Nano(end_time), {to_ns:Int64}) AS ended_ns
    FROM spans
    PREWHERE service_name = {service:String}
    WHERE project = {project:String}
        AND toStartOfHour(start_time) >= toStartOfHour(fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')) - INTERVAL 24 HOUR
        AND toStartOfHour(start_time) <= toStartOfHour(fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC'))
        AND kind != 'log'
        AND NOT (startsWith(dialect, 'spanledger') AND startsWith(name, 'wait for '))
        AND begun_ns < ended_ns
)
GROUP BY GROUPING SETS ((of_trace), ())
HAVING active_ns > 0
ORDER BY trace_id
