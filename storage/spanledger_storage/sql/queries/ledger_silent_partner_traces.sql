-- Which other traces hold another view of one of these calls, which tells no tokens: of a call that
-- failed, another scope's, one span inside the other in time; of a stream, the record of its end
-- beside the span that began it? (rule R4)
-- Parameters: project; hours (UTC start hours, UNIX seconds) to look in; lists of one length that
--   describe the calls, all of them the roots of their traces: trace_ids, instances, models (as
--   asked for), scopes, starts, ends (UTC ns), are_logs, are_failed (0 or 1);
--   slack_ns: how far the inner span may stick out; gap_ns: how long after its span a stream begins.
-- Result: one row per trace.
-- Relies on the sort key of spans (project, start hour, ...).
SELECT DISTINCT s.trace_id AS trace_id
FROM
(
    SELECT
        trace_id,
        scope_name,
        request_model,
        kind = 'log' AS is_log,
        status = 'error' AND ifNull(input_tokens, 0) = 0 AND ifNull(output_tokens, 0) = 0 AS failed,
        if(service_instance = '', service_name, service_instance) AS instance,
        toUnixTimestamp64Nano(start_time) AS start_ns,
        toUnixTimestamp64Nano(end_time) AS end_ns
    FROM spans
    PREWHERE role IN ('llm', 'embedding')
        AND parent_span_id = ''
        AND request_model IN {models:Array(String)}
    WHERE project = {project:String}
        AND toStartOfHour(start_time) IN (
            SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC')
        )
) AS s
INNER JOIN
(
    SELECT
        c.1 AS trace_id,
        c.2 AS instance,
        c.3 AS request_model,
        c.4 AS scope_name,
        c.5 AS start_ns,
        c.6 AS end_ns,
        c.7 AS is_log,
        c.8 AS failed
    FROM
    (
        SELECT arrayJoin(
            arrayZip(
                {trace_ids:Array(String)},
                {instances:Array(String)},
                {models:Array(String)},
                {scopes:Array(String)},
                {starts:Array(Int64)},
                {ends:Array(Int64)},
                {are_logs:Array(UInt8)},
                {are_failed:Array(UInt8)}
            )
        ) AS c
    )
) AS c
    ON s.instance = c.instance
    AND s.request_model = c.request_model
WHERE s.trace_id != c.trace_id
    AND (
        (
            s.failed
            AND c.failed
            AND s.scope_name != c.scope_name
            AND (
                (
                    s.start_ns >= c.start_ns - {slack_ns:Int64}
                    AND s.end_ns <= c.end_ns + {slack_ns:Int64}
                )
                OR (
                    c.start_ns >= s.start_ns - {slack_ns:Int64}
                    AND c.end_ns <= s.end_ns + {slack_ns:Int64}
                )
            )
        )
        OR (
            s.scope_name = c.scope_name
            AND s.is_log != c.is_log
            AND abs(if(c.is_log = 1, c.start_ns - s.end_ns, s.start_ns - c.end_ns)) <= {gap_ns:Int64}
        )
    )
