-- What are the spans that show a finding, and what did each cost?
-- Parameters: project; from_s and to_s: unix seconds, the hours the spans lie in; traces, spans: ids
--   in hex, side by side.
-- Columns: trace_id, span_id, name, role, status, start_ns (unix), duration_ns, model, tool_name,
--   cost_usd (NULL: costs nothing itself, or unknown). One row per span that is still stored.
-- Sort key used: (project, toStartOfHour(start_time), trace_id, ...), that of the ledger alike.
WITH arrayZip({traces:Array(String)}, {spans:Array(String)}) AS wanted
SELECT
    span.trace_id AS trace_id,
    span.span_id AS span_id,
    span.name AS name,
    span.role AS role,
    span.status AS status,
    span.start_ns AS start_ns,
    span.duration_ns AS duration_ns,
    span.model AS model,
    span.tool_name AS tool_name,
    entry.cost_usd AS cost_usd
FROM (
    SELECT
        trace_id,
        span_id,
        name,
        role,
        status,
        toUnixTimestamp64Nano(start_time) AS start_ns,
        toUInt64(duration_ns) AS duration_ns,
        if(response_model = '', request_model, response_model) AS model,
        tool_name
    FROM spans FINAL
    WHERE project = {project:String}
        AND toStartOfHour(start_time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
        AND toStartOfHour(start_time) <= toStartOfHour(toDateTime({to_s:Int64}, 'UTC'))
        AND trace_id IN (SELECT arrayJoin({traces:Array(String)}))
        AND (trace_id, span_id) IN (SELECT arrayJoin(wanted))
) AS span
LEFT JOIN (
    SELECT trace_id, span_id, sum(total_cost_usd) AS cost_usd
    FROM ledger_current
    WHERE project = {project:String}
        AND toStartOfHour(time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
        AND toStartOfHour(time) <= toStartOfHour(toDateTime({to_s:Int64}, 'UTC'))
        AND trace_id IN (SELECT arrayJoin({traces:Array(String)}))
        AND (trace_id, span_id) IN (SELECT arrayJoin(wanted))
    GROUP BY trace_id, span_id
) AS entry ON entry.trace_id = span.trace_id AND entry.span_id = span.span_id
ORDER BY start_ns, span_id
