-- What are the traces that show an incident, and what did they cost?
-- Parameters: project; trace_ids: a few; from_s, to_s: unix seconds between which they start.
-- Columns: trace_id, name, agent_name, start_ns, duration_ns, span_count, error_count, cost_usd (NULL:
-- nothing is priced). One row per trace that is stored, in no order.
-- Sort key used: traces (project, hour, trace_id); ids are found by the index trace_id_bloom.
SELECT
    trace_id,
    name,
    agent_name,
    toUnixTimestamp64Nano(start_time) AS start_ns,
    duration_ns,
    span_count,
    error_count,
    total_cost_usd AS cost_usd
FROM traces FINAL
WHERE project = {project:String}
    AND toStartOfHour(start_time) >= toStartOfHour(toDateTime({from_s:UInt32}, 'UTC'))
    AND toStartOfHour(start_time) <= toDateTime({to_s:UInt32}, 'UTC')
    AND trace_id IN {trace_ids:Array(String)}
    AND is_deleted = 0
LIMIT 50
