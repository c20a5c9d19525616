-- How do the spans of these traces hang together, and which tools worked in them?
-- Parameters: project; trace_ids; from_ns and to_ns: UTC nanoseconds, half open: in which they lie.
-- Result: one row per span: worked: 1 where it is a call of a tool that did not fail; start in UTC
--   nanoseconds; linked: the spans it links to, trace id and span id in one, apart by spaces.
-- Relies on the sort key of spans (project, start hour, trace_id, ...).
SELECT
    trace_id,
    span_id,
    parent_span_id,
    agent_name AS agent,
    tool_name AS name,
    toUnixTimestamp64Nano(start_time) AS start_ns,
    role = 'tool' AND tool_outcome = 'ok' AND tool_evidence NOT IN ('declared', 'payload') AS worked,
    hints['linked'] AS linked
FROM spans
PREWHERE project = {project:String}
    AND trace_id IN {trace_ids:Array(String)}
    AND toStartOfHour(start_time) >= toStartOfHour(fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC'))
    AND start_time < fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
ORDER BY version DESC
LIMIT 1 BY trace_id, span_id
