-- Write the minutes of an hour anew from samples of inference workers.
-- Parameters: project; hour (UTC start hour, UNIX seconds); version: that of the rows, unless
--   stored ones are newer: then one newer than those.
-- Result: none; one row per worker, model and minute with samples that tell of the model. Ranks are
--   added up per second; busy seconds are differences to the sample before, looked for up to ten
--   minutes before the hour; a smaller value counts in full.
-- Relies on the sort key of inference_samples (project, hour, worker, ...).
INSERT INTO worker_minutes
WITH
    read AS
    (
        SELECT
            worker,
            model,
            rank,
            time,
            engine,
            service_name,
            host,
            namespace,
            pod,
            started,
            requests_running,
            busy_seconds,
            ifNull(requests, 0) + ifNull(output_tokens, 0) + ifNull(input_tokens, 0)
                + ifNull(requests_running, 0) > 0 AS has_served,
            anyLast(busy_seconds) OVER earlier AS busy_before
        FROM inference_samples FINAL
        WHERE project = {project:String}
            AND toStartOfHour(time) >= toStartOfHour(toDateTime({hour:Int64} - 600, 'UTC'))
            AND toStartOfHour(time) <= toDateTime({hour:Int64}, 'UTC')
            AND time >= toDateTime({hour:Int64} - 600, 'UTC')
            AND NOT (isNull(requests_running) AND isNull(output_tokens) AND isNull(requests))
        WINDOW earlier AS
        (
            PARTITION BY worker, model, rank ORDER BY time ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    ),
    summed AS
    (
        SELECT
            worker,
            model,
            time,
            anyLast(engine) AS engine,
            anyLast(service_name) AS service_name,
            anyLast(host) AS host,
            anyLast(namespace) AS namespace,
            anyLast(pod) AS pod,
            max(started) AS started,
            sum(requests_running) AS running,
            -- Ranks work at the same time: their mean is the time of the worker.
            avg(multiIf(
                isNull(busy_seconds), NULL,
                isNull(busy_before), 0.,
                busy_seconds < busy_before, busy_seconds,
                busy_seconds - busy_before
            )) AS busy,
            max(has_served) AS has_served,
            toInt64(toUnixTimestamp(time)) AS time_s
        FROM read
        GROUP BY worker, model, time
    ),
    weighed AS
    (
        SELECT
            *,
            lagInFrame(toNullable(time_s)) OVER series AS time_before_s,
            leadInFrame(toNullable(time_s)) OVER following AS time_after_s,
            least(120, greatest(1, coalesce(time_s - time_before_s, time_after_s - time_s, 1)))
                AS weight
        FROM summed
        WINDOW
            series AS
            (
                PARTITION BY worker, model ORDER BY time ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
            ),
            following AS
            (
                PARTITION BY worker, model ORDER BY time ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING
            )
    )
SELECT
    {project:String} AS project,
    worker,
    model,
    toStartOfMinute(time) AS minute,
    anyLast(engine) AS engine,
    anyLast(service_name) AS service_name,
    anyLast(host) AS host,
    anyLast(namespace) AS namespace,
    anyLast(pod) AS pod,
    count() AS samples,
    max(toDateTime(started)) AS started,
    sumIf(weight, running > 0) / nullIf(sumIf(weight, isNotNull(running)), 0) AS running_ratio,
    sum(busy) AS busy_seconds,
    max(has_served) AS has_served,
    greatest(
        {version:UInt64},
        ifNull(
            (
                SELECT max(version) + 1
                FROM worker_minutes
                WHERE project = {project:String}
                    AND toStartOfHour(minute) = toDateTime({hour:Int64}, 'UTC')
            ),
            0
        )
    ) AS version
FROM weighed
WHERE time >= toDateTime({hour:Int64}, 'UTC')
GROUP BY worker, model, minute
SETTINGS do_not_merge_across_partitions_select_final = 1, prefer_column_name_to_alias = 1
