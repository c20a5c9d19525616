-- What do entries tell that rules of allocation look at?
-- Parameters: project; trace_id; entry_id: empty, or the one that is meant; page_size: rows.
-- Columns: entry_id, time_s (unix), kind, provider, model, agent_name, service_name, agent_version,
-- workflow_name, environment, request_model, service_tier, region, tool_name, unused (infra:
-- capacity that nobody used), user_id, session_id, task_id, dimensions, total_cost_usd (NULL: not
-- priced). One row per entry, by time.
-- Uses the index on trace_id.
SELECT
    entry_id,
    toInt64(toUnixTimestamp(time)) AS time_s,
    kind,
    provider,
    model,
    agent_name,
    service_name,
    agent_version,
    workflow_name,
    environment,
    request_model,
    service_tier,
    region,
    tool_name,
    if(kind = 'infra' AND has(flags, 'unused'), 'infra', '') AS unused,
    user_id,
    session_id,
    task_id,
    dimensions,
    total_cost_usd
FROM ledger_current
WHERE project = {project:String}
    AND trace_id = {trace_id:String}
    AND ({entry_id:String} = '' OR entry_id = {entry_id:String})
ORDER BY time, entry_id
LIMIT {page_size:UInt32}
