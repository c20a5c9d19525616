-- What did one scope of a budget spend in each hour of its window?
-- Parameters: project; scope (project, team, agent, session, user, task, model, tag); selector
--   (of a tag: key=value); from_s, to_s: unix seconds, half open.
-- Columns: hour_s (unix), cost_usd (of what is priced), tokens (input and output), llm_calls (one
--   known from metrics stands for as many as its attempts say). One row per hour with entries.
-- Sort key used: (project, hour).
SELECT
    toInt64(toUnixTimestamp(toStartOfHour(time))) AS hour_s,
    sum(ifNull(total_cost_usd, 0)) AS cost_usd,
    sum(ifNull(input_tokens, 0) + ifNull(output_tokens, 0)) AS tokens,
    sumIf(
        if(usage_source = 'metric', greatest(ifNull(attempts, 1), 1), 1),
        kind IN ('llm', 'embedding')
    ) AS llm_calls
FROM ledger FINAL
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
GROUP BY hour_s
ORDER BY hour_s
