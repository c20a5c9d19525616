-- Which other traces hold a span with the response id of one of these spans, at the same time?
-- Time matters because test doubles and broken gateways answer every call with one id.
-- Parameters: project; hours (UTC start hours, UNIX seconds) to look in; lists of one length that
--   describe the spans: response_ids, trace_ids, starts, ends (UTC ns); max_traces: an id in more
--   traces than this ties nothing together.
-- Result: one row per trace.
-- Relies on the sort keys of response_traces (project, hour, id_hash, trace_id) and of spans
-- (project, start hour, trace_id, ...).
SELECT DISTINCT s.trace_id AS trace_id
FROM
(
    SELECT
        trace_id,
        response_id,
        toUnixTimestamp64Nano(start_time) AS start_ns,
        toUnixTimestamp64Nano(end_time) AS end_ns
    FROM spans
    WHERE project = {project:String}
        AND toStartOfHour(start_time) IN (
            SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC')
        )
        AND trace_id IN
        (
            SELECT arrayJoin(traces)
            FROM
            (
                SELECT groupUniqArray(trace_id) AS traces
                FROM response_traces
                WHERE project = {project:String}
                    AND hour IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
                    AND id_hash IN (SELECT cityHash64(arrayJoin({response_ids:Array(String)})))
                GROUP BY id_hash
                HAVING length(traces) BETWEEN 2 AND {max_traces:UInt32}
            )
        )
        AND response_id IN {response_ids:Array(String)}
) AS s
INNER JOIN
(
    SELECT c.1 AS response_id, c.2 AS trace_id, c.3 AS start_ns, c.4 AS end_ns
    FROM
    (
        SELECT arrayJoin(
            arrayZip(
                {response_ids:Array(String)},
                {trace_ids:Array(String)},
                {starts:Array(Int64)},
                {ends:Array(Int64)}
            )
        ) AS c
    )
) AS c ON s.response_id = c.response_id
WHERE s.trace_id != c.trace_id AND s.start_ns <= c.end_ns AND s.end_ns >= c.start_ns
