-- Which traces of a series cost most in a time?
-- Parameters: project; dimension and name: the series, as in anomaly_usage; from_s, to_s: UNIX seconds,
--   half open; page_size: rows.
-- Result: one row per trace_id: agent, usd, calls, and span_ids of its dearest entries; the
--   dearest first.
-- Relies on the sort key of ledger (project, start hour, ...).
WITH
    multiIf(
        {dimension:String} = 'agent', toString(ledger.agent_name),
        {dimension:String} = 'model', toString(ledger.model),
        {dimension:String} = 'service', toString(ledger.service_name),
        {dimension:String} = 'team', ledger.dimensions['team'],
        {dimension:String} = 'tool', toString(ledger.tool_name),
        ''
    ) AS named
SELECT
    trace_id,
    toString(topK(1)(agent_name)[1]) AS agent,
    sum(ifNull(total_cost_usd, 0)) AS usd,
    count() AS calls,
    arrayMap(one -> one.2, arraySlice(arrayReverseSort(groupArray(
        (ifNull(total_cost_usd, 0), span_id)
    )), 1, 20)) AS span_ids
FROM ledger FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND toStartOfHour(time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
    AND time >= toDateTime({from_s:Int64}, 'UTC')
    AND time < toDateTime({to_s:Int64}, 'UTC')
    AND named = {name:String}
    AND trace_id != ''
GROUP BY trace_id
ORDER BY usd DESC, trace_id
LIMIT {page_size:UInt32}
