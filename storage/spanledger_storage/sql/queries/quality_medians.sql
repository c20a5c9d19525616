-- What does a call of a model usually cost, for the models of which some calls are not counted?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the call's start.
-- Columns: asked_model (the model asked for, else the one that answered), agent_name, is_all_agents
--   (1: over every agent, agent_name empty), median_usd: the lower median, in dollars, of the
--   priced calls that succeeded with measured usage; calls: how many those are. Two kinds of rows:
--   per model and agent, and per model.
-- Sort key used: ledger (project, toStartOfHour(time)).
WITH
    entries AS
    (
        SELECT
            if(request_model = '', model, request_model) AS asked_model,
            agent_name, status, usage_source, price_status, flags, total_cost_usd
        FROM ledger_current
        WHERE project = {project:String}
            AND time >= toDateTime({from_s:Int64}, 'UTC')
            AND time < toDateTime({to_s:Int64}, 'UTC')
            AND kind IN ('llm', 'embedding')
    )
SELECT
    asked_model,
    agent_name,
    grouping(agent_name) AS is_all_agents,
    quantileExactLow(0.5)(assumeNotNull(total_cost_usd)) AS median_usd,
    count() AS calls
FROM entries
WHERE price_status = 'priced'
    AND total_cost_usd IS NOT NULL
    AND status = 'ok'
    AND NOT hasAny(flags, ['estimated_usage', 'aggregate'])  -- not the cost of one call
    AND asked_model IN (SELECT asked_model FROM entries WHERE usage_source = 'none' AND status = 'ok')
GROUP BY GROUPING SETS ((asked_model, agent_name), (asked_model))
ORDER BY is_all_agents DESC, calls DESC, asked_model, agent_name
LIMIT 20000
