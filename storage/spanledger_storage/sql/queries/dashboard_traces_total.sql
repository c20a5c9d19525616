-- How many trajectories match the filters, and what do they sum up to?
-- Parameters, as in dashboard_traces: project, from_s, to_s, agent, model, service, user, session,
-- status, min_cost_usd, text.
-- Columns: traces, failed_traces, total_cost_usd (NULL: nothing priced), unpriced_calls. One row.
-- Sort key used: (project, toStartOfHour(start_time)).
SELECT
    count() AS traces,
    countIf(error_count > 0) AS failed_traces,
    sum(trajectories.total_cost_usd) AS total_cost_usd,
    sum(trajectories.unpriced_calls) AS unpriced_calls
FROM trajectories FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND start_time >= toDateTime({from_s:Int64}, 'UTC')
    AND start_time < toDateTime({to_s:Int64}, 'UTC')
    AND ({agent:String} = '' OR agent_name = {agent:String} OR has(agents, {agent:String}))
    AND ({model:String} = '' OR has(models, {model:String}))
    AND ({service:String} = '' OR service_name = {service:String})
    AND ({user:String} = '' OR user_id = {user:String})
    AND ({session:String} = '' OR session_id = {session:String})
    AND ({status:String} = '' OR ({status:String} = 'error') = (error_count > 0))
    AND ({min_cost_usd:Decimal(38, 12)} = 0 OR trajectories.total_cost_usd >= {min_cost_usd:Decimal(38, 12)})
    AND (
        {text:String} = ''
        OR positionCaseInsensitiveUTF8(name, {text:String}) > 0
        OR startsWith(trajectory_id, lower({text:String}))
        OR has(trace_ids, lower({text:String}))
    )
