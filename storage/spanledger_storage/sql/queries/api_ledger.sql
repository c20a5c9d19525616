-- Which entries of the ledger match the filters, the newest first, from one place on?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the call's start; trace_from, trace_to:
-- trace ids, half open, empty: without a bound; after_ns, after_id: the start (unix ns) and entry to go
-- on from, below zero: from the newest; filters (empty: not filtered): entry, trace, session, user,
-- task, agent, model, provider, service, environment, workflow, tool, kind, status (ok error),
-- price_status; dimension_names, dimension_values: each name has its value; page_rows.
-- Columns: as in ledger_current; trajectory_id is that of the trace, empty without a trace. One row per
-- entry.
-- Sort key used: (project, toStartOfHour(time), trace_id); trajectory_traces (project, trace_id).
WITH page AS
(
    SELECT * EXCEPT (trajectory_id)
    FROM ledger_current
    WHERE project = {project:String}
        AND time >= toDateTime({from_s:Int64}, 'UTC')
        AND time < toDateTime({to_s:Int64}, 'UTC')
        AND ({trace_from:String} = '' OR trace_id >= {trace_from:String})
        AND ({trace_to:String} = '' OR trace_id < {trace_to:String})
        AND (
            {after_ns:Int64} < 0
            OR (toUnixTimestamp64Nano(time), entry_id) < ({after_ns:Int64}, {after_id:String})
        )
        AND ({entry:String} = '' OR entry_id = {entry:String})
        AND ({trace:String} = '' OR trace_id = {trace:String})
        AND ({session:String} = '' OR session_id = {session:String})
        AND ({user:String} = '' OR user_id = {user:String})
        AND ({task:String} = '' OR task_id = {task:String})
        AND ({agent:String} = '' OR agent_name = {agent:String})
        AND ({model:String} = '' OR model = {model:String})
        AND ({provider:String} = '' OR provider = {provider:String})
        AND ({service:String} = '' OR service_name = {service:String})
        AND ({environment:String} = '' OR environment = {environment:String})
        AND ({workflow:String} = '' OR workflow_name = {workflow:String})
        AND ({tool:String} = '' OR tool_name = {tool:String})
        AND ({kind:String} = '' OR kind = {kind:String})
        AND ({status:String} = '' OR status = {status:String})
        AND ({price_status:String} = '' OR price_status = {price_status:String})
        AND arrayAll(
            (name, value) -> dimensions[name] = value,
            {dimension_names:Array(String)},
            {dimension_values:Array(String)}
        )
    ORDER BY time DESC, entry_id DESC
    LIMIT {page_rows:UInt64}
)
SELECT
    page.*,
    if(tied.trajectory_id = '', page.trace_id, tied.trajectory_id) AS trajectory_id
FROM page
LEFT JOIN
(
    SELECT trace_id, trajectory_id
    FROM trajectory_traces FINAL
    WHERE project = {project:String}
        AND is_deleted = 0
        AND trace_id IN (SELECT trace_id FROM page)
) AS tied ON tied.trace_id = page.trace_id
ORDER BY page.time DESC, page.entry_id DESC
