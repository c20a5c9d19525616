-- What did calls of these traces cost from a moment on?
-- Parameters: project; trace_ids; from_ns and to_ns: UTC nanoseconds, half open: in which they began.
-- Result: one row per entry of the ledger: the primary span, the agent as in the ledger, start in UTC
--   nanoseconds; NULL: no price.
-- Relies on the sort key of ledger (project, hour, trace, entry).
SELECT
    trace_id,
    span_id,
    agent_name AS agent,
    toUnixTimestamp64Nano(time) AS start_ns,
    total_cost_usd AS cost_usd
FROM ledger_current
WHERE project = {project:String}
    AND kind IN ('llm', 'embedding', 'tool')
    AND trace_id IN {trace_ids:Array(String)}
    AND toStartOfHour(time) >= toStartOfHour(fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC'))
    AND time >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')
    AND time < fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
