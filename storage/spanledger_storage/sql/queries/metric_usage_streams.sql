-- By how much did each stream of these metrics grow in one hour?
-- Parameters: project; metrics: names; hour (UTC start hour, UNIX seconds).
-- Result: one row per stream with points in the hour. A stream is a delta series (stream_ns 0), or a
--   cumulative series since one start (stream_ns, UTC ns; 0: not told). metric, temporality,
--   service_name, environment, scope_name, attributes as stored; from_ns: start of the earliest
--   point (delta), else of the stream; to_ns: last point; first_ns, first_amount, first_calls: first
--   point of the hour; previous_ns: last point of the hour before (0: none); grown, grown_calls:
--   deltas summed, or the growth since the previous point, else since the first one. A fall is a
--   restart from zero. Amounts are exact decimals; calls are a histogram's count, else 0. Points
--   that say more than 2^53 are no count of anything and are left out.
-- Relies on the sort key of metric_points (project, hour, metric, ...).
WITH {hour:Int64} * 1000000000 AS hour_ns
SELECT
    series_id,
    stream_ns,
    metric,
    temporality,
    service_name,
    environment,
    scope_name,
    attributes,
    from_ns,
    to_ns,
    inside[1].1 AS first_ns,
    inside[1].2 AS first_amount,
    inside[1].3 AS first_calls,
    if(empty(before), 0, before[-1].1) AS previous_ns,
    if(
        temporality = 'delta',
        arraySum(arrayMap(point -> point.2, inside)),
        arraySum(
            arrayMap(
                (a, b) -> if(b.2 >= a.2, b.2 - a.2, b.2),
                arrayPopBack(chain),
                arrayPopFront(chain)
            )
        )
    ) AS grown,
    if(
        temporality = 'delta',
        arraySum(arrayMap(point -> point.3, inside)),
        arraySum(
            arrayMap(
                (a, b) -> if(b.2 >= a.2, b.3 - a.3, b.3),
                arrayPopBack(chain),
                arrayPopFront(chain)
            )
        )
    ) AS grown_calls
FROM
(
    SELECT
        series_id,
        stream_ns,
        any(metric) AS metric,
        any(temporality) AS temporality,
        any(service_name) AS service_name,
        any(environment) AS environment,
        any(scope_name) AS scope_name,
        any(attributes) AS attributes,
        minIf(start_ns, time_ns >= hour_ns) AS from_ns,
        max(time_ns) AS to_ns,
        arraySort(groupArray((time_ns, amount, calls))) AS points,
        arrayFilter(point -> point.1 >= hour_ns, points) AS inside,
        arrayFilter(point -> point.1 < hour_ns, points) AS before,
        if(empty(before), inside, arrayPushFront(inside, before[-1])) AS chain
    FROM
    (
        SELECT
            series_id,
            metric,
            temporality,
            service_name,
            environment,
            scope_name,
            attributes,
            toUnixTimestamp64Nano(start_time) AS start_ns,
            toUnixTimestamp64Nano(time) AS time_ns,
            if(temporality = 'delta', 0, start_ns) AS stream_ns,
            assumeNotNull(
                coalesce(
                    toDecimal128OrNull(toString(integer_value), 12),
                    toDecimal128OrNull(toString(round(coalesce(point.sum, value), 12)), 12)
                ) AS counted
            ) AS amount,
            toInt64(least(ifNull(point.count, 0), 9007199254740992)) AS calls
        FROM metric_points AS point FINAL
        WHERE project = {project:String}
            AND toStartOfHour(time) IN (
                toDateTime({hour:Int64}, 'UTC'),
                toDateTime(greatest(0, {hour:Int64} - 3600), 'UTC')
            )
            AND metric IN {metrics:Array(String)}
            AND temporality != ''
            AND counted BETWEEN 0 AND 9007199254740992
    )
    GROUP BY series_id, stream_ns
    HAVING to_ns >= hour_ns
)
ORDER BY series_id, stream_ns
