-- Which traces have a sum in the ledger that calls of these sessions may be part of? (rule R1)
-- Parameters: project; hours (UTC start hours, UNIX seconds) to look in; lists of one length that
--   say when the calls were made: session_ids, starts, ends (UTC ns); max_traces: a session with
--   more sums than this at one time ties nothing together.
-- Result: one row per trace; also of sums that were taken back, until their rows are merged.
-- Relies on the sort key of ledger (project, start hour, ...).
SELECT DISTINCT arrayJoin(traces) AS trace_id
FROM
(
    SELECT groupUniqArray(s.trace_id) AS traces
    FROM
    (
        SELECT
            trace_id,
            session_id,
            toUnixTimestamp64Nano(time) AS start_ns,
            toUnixTimestamp64Nano(time) + duration_ns AS end_ns
        FROM ledger
        PREWHERE usage_source = 'aggregate' AND session_id IN {session_ids:Array(String)}
        WHERE project = {project:String}
            AND toStartOfHour(time) IN (
                SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC')
            )
    ) AS s
    INNER JOIN
    (
        SELECT c.1 AS session_id, c.2 AS start_ns, c.3 AS end_ns
        FROM
        (
            SELECT arrayJoin(
                arrayZip({session_ids:Array(String)}, {starts:Array(Int64)}, {ends:Array(Int64)})
            ) AS c
        )
    ) AS c ON s.session_id = c.session_id
    WHERE s.start_ns <= c.end_ns AND s.end_ns >= c.start_ns
    GROUP BY c.session_id, c.start_ns, c.end_ns
    HAVING length(traces) <= {max_traces:UInt32}
)
