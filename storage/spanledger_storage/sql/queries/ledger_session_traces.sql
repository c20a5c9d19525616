-- Which other traces hold spans of these sessions at these times? (rule R1: the calls of a sum)
-- Parameters: project; hours (UTC start hours, UNIX seconds) to look in; lists of one length that
--   describe the times: session_ids, trace_ids (whose own spans are not asked for), starts, ends
--   (UTC ns); max_traces: a session in more traces than this at one time ties nothing together.
-- Result: one row per trace.
-- Relies on the sort key of spans (project, start hour, ...).
SELECT DISTINCT arrayJoin(traces) AS trace_id
FROM
(
    SELECT groupUniqArray(s.trace_id) AS traces
    FROM
    (
        SELECT
            trace_id,
            session_id,
            toUnixTimestamp64Nano(start_time) AS start_ns,
            toUnixTimestamp64Nano(end_time) AS end_ns
        FROM spans
        PREWHERE session_id IN {session_ids:Array(String)}
        WHERE project = {project:String}
            AND toStartOfHour(start_time) IN (
                SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC')
            )
    ) AS s
    INNER JOIN
    (
        SELECT c.1 AS session_id, c.2 AS trace_id, c.3 AS start_ns, c.4 AS end_ns
        FROM
        (
            SELECT arrayJoin(
                arrayZip(
                    {session_ids:Array(String)},
                    {trace_ids:Array(String)},
                    {starts:Array(Int64)},
                    {ends:Array(Int64)}
                )
            ) AS c
        )
    ) AS c ON s.session_id = c.session_id
    WHERE s.trace_id != c.trace_id AND s.start_ns <= c.end_ns AND s.end_ns >= c.start_ns
    GROUP BY c.session_id, c.trace_id, c.start_ns, c.end_ns
    HAVING length(traces) <= {max_traces:UInt32}
)
