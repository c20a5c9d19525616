-- Who spent most of a budget, and in which traces?
-- Parameters: project; scope (project, team, agent, session, user, task, model, tag); selector (of a tag:
-- key=value); measure (usd, tokens, llm_calls); from_s, to_s: unix seconds, half open.
-- Columns: kind (trace, agent, model, user; empty: all together), name, amount (in the unit of the measure).
-- Up to three rows of each kind, the largest first.
-- Sort key used: ledger (project, hour).
WITH multiIf(
        {measure:String} = 'usd', ifNull(total_cost_usd, toDecimal128(0, 12)),
        {measure:String} = 'tokens', toDecimal128(ifNull(input_tokens, 0) + ifNull(output_tokens, 0), 12),
        toDecimal128(
            if(ledger.kind IN ('llm', 'embedding'),
                if(usage_source = 'metric', greatest(ifNull(attempts, 1), 1), 1), 0),
            12
        )
    ) AS spent
SELECT
    part.1 AS kind,
    part.2 AS name,
    sum(spent) AS amount
FROM ledger FINAL
ARRAY JOIN [
    ('', ''), ('trace', trace_id), ('agent', toString(agent_name)), ('model', toString(model)), ('user', user_id)
] AS part
WHERE project = {project:String}
    AND is_deleted = 0
    AND toStartOfHour(time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
    AND time >= toDateTime({from_s:Int64}, 'UTC')
    AND time < toDateTime({to_s:Int64}, 'UTC')
    AND multiIf(
        {scope:String} = 'project', 1,
        {scope:String} = 'team', dimensions['team'] = {selector:String},
        {scope:String} = 'agent', agent_name = {selector:String},
        {scope:String} = 'session', session_id = {selector:String},
        {scope:String} = 'user', user_id = {selector:String},
        {scope:String} = 'task', task_id = {selector:String},
        {scope:String} = 'model', model = {selector:String} OR request_model = {selector:String},
        has(
            arrayMap((key, value) -> concat(toString(key), '=', value),
                mapKeys(dimensions), mapValues(dimensions)),
            {selector:String}
        )
    )
    AND (part.1 = '' OR part.2 != '')
GROUP BY kind, name
HAVING amount > 0
ORDER BY kind, amount DESC, name
LIMIT 3 BY kind
SETTINGS max_execution_time = 2
