-- Which other traces hold a second view of one of these calls: recorded by another scope in the
-- same process, with equal tokens, one span inside the other in time? (rule R4)
-- Parameters: project; hours (UTC start hours, UNIX seconds) to look in; lists of one length that
--   describe the calls: instances, scopes, inputs, outputs (tokens), starts, ends (UTC ns),
--   has_ids (1: the response id is known, so the other view must be one without);
--   slack_ns: how far the inner span may stick out.
-- Result: one row per trace.
-- Relies on the sort key of spans (project, start hour, ...).
SELECT DISTINCT s.trace_id AS trace_id
FROM
(
    SELECT
        trace_id,
        scope_name,
        input_tokens,
        output_tokens,
        response_id,
        if(service_instance = '', service_name, service_instance) AS instance,
        toUnixTimestamp64Nano(start_time) AS start_ns,
        toUnixTimestamp64Nano(end_time) AS end_ns
    FROM spans
    PREWHERE role IN ('llm', 'embedding')
        AND (assumeNotNull(input_tokens), assumeNotNull(output_tokens)) IN (
            SELECT pair.1, pair.2
            FROM
            (
                SELECT arrayJoin(
                    arrayZip({inputs:Array(UInt64)}, {outputs:Array(UInt64)})
                ) AS pair
            )
        )
    WHERE project = {project:String}
        AND toStartOfHour(start_time) IN (
            SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC')
        )
) AS s
INNER JOIN
(
    SELECT
        c.1 AS instance,
        c.2 AS scope_name,
        c.3 AS input_tokens,
        c.4 AS output_tokens,
        c.5 AS start_ns,
        c.6 AS end_ns,
        c.7 AS has_id
    FROM
    (
        SELECT arrayJoin(
            arrayZip(
                {instances:Array(String)},
                {scopes:Array(String)},
                {inputs:Array(UInt64)},
                {outputs:Array(UInt64)},
                {starts:Array(Int64)},
                {ends:Array(Int64)},
                {has_ids:Array(UInt8)}
            )
        ) AS c
    )
) AS c
    ON s.instance = c.instance
    AND s.input_tokens = c.input_tokens
    AND s.output_tokens = c.output_tokens
WHERE s.scope_name != c.scope_name
    AND NOT (c.has_id = 1 AND s.response_id != '')
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
