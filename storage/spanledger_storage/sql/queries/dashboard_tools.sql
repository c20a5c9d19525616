-- How often was each tool run, and how did that go?
-- Parameters: project; entity: what tells the rows apart: tool_name, error_type or service_name;
-- within, name: only spans whose column "within" holds "name" (project and the project: all of
-- them); agent: only in traces of this agent, empty: any; text: part of what they are called,
-- empty: any; from_s, to_s: unix seconds, half open; bucket_s, page_size as in dashboard_entities.
-- Columns: name, names (how many there are), calls, errors, traces, latency_p50_ns, latency_p95_ns,
-- latency_p99_ns (interpolated), first_ms, last_ms, trend (start of the step, executions), steps
-- (start of the step, errors, [p50, p95, p99] in ns). One row per name.
-- One execution are the spans of one trace, call id and tool (but for what frameworks put before its
-- name) that overlap, or that follow one that failed: some clients number the calls of each answer,
-- so an id comes again. Log records may be off by a second. What has only started is left out.
-- Sort key used: (project, toStartOfHour(start_time)).
WITH
    arrayMap(q -> if(isNaN(q), NULL, toInt64(round(q))), quantilesExactInclusiveMerge(0.5, 0.95, 0.99)(step.latency)) AS latency
SELECT
    called AS name,
    count() OVER () AS names,
    sum(step.calls) AS calls,
    sum(step.errors) AS errors,
    uniqExactMerge(step.traces) AS traces,
    latency[1] AS latency_p50_ns,
    latency[2] AS latency_p95_ns,
    latency[3] AS latency_p99_ns,
    toUnixTimestamp64Milli(toDateTime64(min(step.first), 3, 'UTC')) AS first_ms,
    toUnixTimestamp64Milli(toDateTime64(max(step.last), 3, 'UTC')) AS last_ms,
    groupArray((bucket_s, toFloat64(step.calls))) AS trend,
    groupArray((bucket_s, step.errors, finalizeAggregation(step.latency))) AS steps
FROM
(
    SELECT
        called,
        intDiv(toUnixTimestamp(started), {bucket_s:UInt32}) * {bucket_s:UInt32} AS bucket_s,
        count() AS calls,
        countIf(is_failed) AS errors,
        uniqExactState(trace) AS traces,
        quantilesExactInclusiveState(0.5, 0.95, 0.99)(toUInt64(greatest(0, toUnixTimestamp64Nano(ended) - toUnixTimestamp64Nano(started)))) AS latency,
        min(started) AS first,
        max(started) AS last
    FROM
    (
        -- Starts and ends in order: (time, is_end, has_failed, is_log, is_failed, called).
        WITH
            arraySort(arrayConcat(
                arrayMap(v -> (v.1, 0, v.3, v.4, v.5, v.6), views),
                arrayMap(v -> (v.2, 1, v.3, v.4, v.5, v.6), views)
            )) AS events,
            arrayCumSum(event -> if(event.2, -1, 1), events) AS open,
            arraySplit(
                (event, latest, open) -> open = 1 AND NOT event.2 AND NOT latest.3
                    AND event.1 > latest.1 + toIntervalSecond(event.4 OR latest.4),
                events,
                arrayPushFront(arrayPopBack(events), events[1]),
                open
            ) AS runs,
            arrayMap(
                run -> (run[1].1, run[-1].1, arrayExists(event -> event.5, run), arrayMax(event -> event.6, run)),
                runs
            ) AS told
        SELECT
            trace,
            arrayJoin(if(empty(views), [only], told)) AS one,
            one.1 AS started,
            one.2 AS ended,
            one.3 AS is_failed,
            one.4 AS called
        FROM
        (
            SELECT
                any(cityHash64(trace_id)) AS trace,
                (
                    min(start_time),
                    max(greatest(start_time, end_time)),
                    max(status = 'error' OR tool_outcome = 'error'),
                    max(toString({entity:Identifier}))
                ) AS only,
                -- Most groups hold one span, which needs no sorting.
                groupArray((
                    start_time,
                    greatest(start_time, end_time),
                    status = 'error',
                    kind = 'log',
                    status = 'error' OR tool_outcome = 'error',
                    toString({entity:Identifier})
                )) AS found,
                if(count() > 1, found, []) AS views
            FROM spans
            PREWHERE role = 'tool' AND {within:Identifier} = {name:String}
            WHERE project = {project:String}
                AND start_time >= toDateTime({from_s:Int64}, 'UTC')
                AND start_time < toDateTime({to_s:Int64}, 'UTC')
                AND NOT has(flags, 'pending')
                AND (
                    {agent:String} = ''
                    OR trace_id IN (
                        SELECT trace_id
                        FROM traces FINAL
                        WHERE project = {project:String}
                            AND is_deleted = 0
                            AND start_time >= toDateTime(greatest({from_s:Int64} - 86400, 0), 'UTC')
                            AND start_time < toDateTime({to_s:Int64}, 'UTC')
                            AND has(agents, {agent:String})
                    )
                )
            GROUP BY cityHash64(
                trace_id,
                if(tool_call_id = '', span_id, tool_call_id),
                replaceRegexpOne(tool_name, '^.*(?:__|[-.:/])(.)', '\\1')
            )
        )
    )
    WHERE {text:String} = '' OR positionCaseInsensitiveUTF8(called, {text:String}) > 0
    GROUP BY called, bucket_s
) AS step
GROUP BY name
ORDER BY calls DESC, name
LIMIT {page_size:UInt32}
