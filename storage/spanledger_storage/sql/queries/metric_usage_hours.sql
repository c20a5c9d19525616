-- In which hours may usage that is known from metrics have changed?
-- Parameters: project; metrics: names that state usage; hours (UTC start hours, UNIX seconds) in
--   which points or calls changed.
-- Result: one row per hour (UTC start hour, UNIX seconds) with points of a stream that cover one of
--   these hours or lie next to it: a cumulative point covers all time since the one before it.
-- Relies on the sort key of metric_points (project, hour, metric, ...).
SELECT DISTINCT hour
FROM
(
    SELECT
        arraySort(groupUniqArray(toInt64(toUnixTimestamp(toStartOfHour(time))))) AS held,
        toInt64(toUnixTimestamp(toStartOfHour(any(start_time)))) AS began
    FROM metric_points
    WHERE project = {project:String}
        AND toStartOfHour(time) >= toDateTime(greatest(0, arrayMin({hours:Array(Int64)}) - 3600), 'UTC')
        AND metric IN {metrics:Array(String)}
    GROUP BY series_id, start_time
)
ARRAY JOIN
    held AS hour,
    arrayPushFront(arrayPopBack(held), least(began, held[1])) AS covered_from
WHERE arrayExists(x -> x BETWEEN covered_from - 3600 AND hour + 3600, {hours:Array(Int64)})
ORDER BY hour
