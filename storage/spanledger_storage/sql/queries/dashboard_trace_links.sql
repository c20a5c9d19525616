-- Which traces does a trace point to by span links, and which point to it?
-- Parameters: project; trace_id; hours_s: unix seconds, from dashboard_trace_hours; from_s, to_s:
-- unix seconds, half open: where traces that point here are looked for.
-- Columns: trace_id, span_id (the span at the other end), own_span_id (the one of this trace),
-- is_incoming. At most 200 rows, outgoing first.
-- Sort key used: (project, toStartOfHour(start_time), trace_id).
SELECT link.1 AS trace_id, link.2 AS span_id, own_span_id, is_incoming
FROM (
    SELECT
        arrayJoin(arrayZip(links.trace_id, links.span_id)) AS link,
        span_id AS own_span_id,
        false AS is_incoming
    FROM spans FINAL
    WHERE project = {project:String}
        AND toStartOfHour(start_time) IN (
            SELECT toDateTime(arrayJoin({hours_s:Array(UInt32)}), 'UTC')
        )
        AND spans.trace_id = {trace_id:String}
        AND notEmpty(links.trace_id)
    UNION ALL
    SELECT
        (spans.trace_id, span_id) AS link,
        links.span_id[indexOf(links.trace_id, {trace_id:String})] AS own_span_id,
        true AS is_incoming
    FROM spans
    PREWHERE notEmpty(links.trace_id)
    WHERE project = {project:String}
        AND toStartOfHour(start_time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
        AND start_time < toDateTime({to_s:Int64}, 'UTC')
        AND has(links.trace_id, {trace_id:String})
)
WHERE trace_id != {trace_id:String}
GROUP BY ALL
ORDER BY is_incoming, trace_id, span_id
LIMIT 200
