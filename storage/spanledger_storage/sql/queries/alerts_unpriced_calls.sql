-- Which calls of a model have a usage but no price?
-- Parameters: project, provider, model; from_s, to_s: unix seconds, half open.
-- Columns: tokens (input and output of these calls), asked (names under which the model was asked for),
-- agents (names), trace_ids. One row.
-- Sort key used: ledger (project, hour).
SELECT
    sum(ifNull(input_tokens, 0) + ifNull(output_tokens, 0)) AS tokens,
    groupUniqArrayIf(3)(request_model, request_model != '' AND request_model != model) AS asked,
    groupUniqArrayIf(3)(agent_name, agent_name != '') AS agents,
    groupUniqArrayIf(3)(trace_id, trace_id != '') AS trace_ids
FROM ledger_current
WHERE project = {project:String}
    AND time >= toDateTime({from_s:Int64}, 'UTC')
    AND time < toDateTime({to_s:Int64}, 'UTC')
    AND provider = {provider:String}
    AND model = {model:String}
    AND usage_source != 'none'
    AND price_status = 'unpriced'
SETTINGS max_execution_time = 2
