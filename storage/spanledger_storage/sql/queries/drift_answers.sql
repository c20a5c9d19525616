-- How did the last call of a model in each of these traces end?
-- Parameters: project; hours (UTC start hours, UNIX seconds) and trace_ids, two lists of one length:
--   pair i is one hour in which one trace has spans.
-- Columns: trace_id, end_ns (unix), status, finish_reason, output_tokens (NULL: not reported): of
--   the span of a model that ended last, one that says why it stopped before others. One row per
--   trace.
-- Sort key used: spans (project, start hour, trace_id, ...).
SELECT
    trace_id,
    tupleElement(last, 1) AS end_ns,
    tupleElement(last, 2) AS status,
    tupleElement(last, 3) AS finish_reason,
    tupleElement(last, 4) AS output_tokens
FROM
(
    SELECT
        trace_id,
        argMax(
            (toUnixTimestamp64Nano(end_time), toString(status), toString(finish_reason), output_tokens),
            (finish_reason != '' OR status = 'error', end_time, span_id)
        ) AS last
    FROM spans FINAL
    PREWHERE project = {project:String} AND trace_id IN {trace_ids:Array(String)}
    WHERE (toStartOfHour(start_time), trace_id) IN (
            SELECT toDateTime(pair.1, 'UTC'), pair.2
            FROM (SELECT arrayJoin(arrayZip({hours:Array(UInt32)}, {trace_ids:Array(String)})) AS pair)
        )
        AND role = 'llm'
        AND NOT has(flags, 'pending')
    GROUP BY trace_id
)
