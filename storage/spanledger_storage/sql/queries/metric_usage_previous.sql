-- What was the last point of these cumulative streams before an hour?
-- Parameters: project; metrics: names; from_hour, before_hour (UTC start hours, UNIX seconds, half
--   open): where to look; series_ids and streams_ns (start of the stream, UTC ns), two lists of one
--   length.
-- Result: one row per stream that has one: series_id, stream_ns, time_ns, amount (exact decimal),
--   calls (a histogram's count, else 0).
-- Relies on the sort key of metric_points (project, hour, metric, series_id, ...).
SELECT
    series_id,
    toUnixTimestamp64Nano(start_time) AS stream_ns,
    toUnixTimestamp64Nano(max(time)) AS time_ns,
    argMax(assumeNotNull(counted), (time, version)) AS amount,
    argMax(toInt64(least(calls, 9007199254740992)), (time, version)) AS calls
FROM
(
    SELECT
        series_id,
        start_time,
        time,
        version,
        coalesce(
            toDecimal128OrNull(toString(integer_value), 12),
            toDecimal128OrNull(toString(round(coalesce(point.sum, value), 12)), 12)
        ) AS counted,
        ifNull(point.count, 0) AS calls
    FROM metric_points AS point
    WHERE project = {project:String}
        AND toStartOfHour(time) >= toDateTime({from_hour:Int64}, 'UTC')
        AND toStartOfHour(time) < toDateTime({before_hour:Int64}, 'UTC')
        AND metric IN {metrics:Array(String)}
        AND (series_id, toUnixTimestamp64Nano(start_time)) IN (
            SELECT stream.1, stream.2
            FROM
            (
                SELECT arrayJoin(
                    arrayZip({series_ids:Array(String)}, {streams_ns:Array(Int64)})
                ) AS stream
            )
        )
        AND counted BETWEEN 0 AND 9007199254740992
)
GROUP BY series_id, start_time
ORDER BY series_id, stream_ns
