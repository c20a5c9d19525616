-- What is the cost of two periods made of: calls, tokens and dollars by class and model?
-- Parameters: project; from_s, to_s: unix seconds, half open; also_from_s, also_to_s: the period it
-- is compared with, which ends before it begins; model, provider, agent, service, environment,
-- kind, version, workflow, user, session, task, requested, tier, region, status, error: values that
-- are let through, empty: all.
-- Columns: is_now (1: the first period, 0: the other), provider, model, calls (with a price by
-- token class), tokens by class of those calls, cost by class and fees_cost_usd of them,
-- total_cost_usd (of everything that is priced), unpriced_calls, calls_without_usage,
-- self_hosted_calls. One row per period, provider and model.
-- Calls are model calls; the money is of all kinds. An entry known from metrics stands for as many
-- calls as its attempts say, at least one.
-- Sort key used: (project, toStartOfHour(time)).
WITH
    kind IN ('llm', 'embedding') AS is_model,
    if(is_model, if(usage_source = 'metric', greatest(ifNull(attempts, 1), 1), 1), 0) AS stands_for,
    price_status = 'priced' AND (entry.uncached_cost_usd IS NOT NULL OR entry.output_cost_usd IS NOT NULL) AS has_parts,
    entry.input_tokens IS NOT NULL AS has_input -- else a class alone is known, and no share of it
SELECT
    time >= toDateTime({from_s:Int64}, 'UTC') AS is_now,
    provider,
    model,
    sumIf(stands_for, has_parts) AS calls,
    sumIf(ifNull(entry.uncached_tokens, 0), has_parts AND has_input) AS uncached_tokens,
    sumIf(ifNull(entry.cache_read_tokens, 0), has_parts AND has_input) AS cache_read_tokens,
    sumIf(ifNull(entry.cache_write_tokens, 0), has_parts AND has_input) AS cache_write_tokens,
    sumIf(ifNull(entry.output_tokens, 0), has_parts) AS output_tokens,
    sum(ifNull(entry.uncached_cost_usd, 0)) AS uncached_cost_usd,
    sum(ifNull(entry.cache_read_cost_usd, 0)) AS cache_read_cost_usd,
    sum(ifNull(entry.cache_write_cost_usd, 0)) AS cache_write_cost_usd,
    sum(ifNull(entry.output_cost_usd, 0)) AS output_cost_usd,
    sum(ifNull(entry.fees_cost_usd, 0)) AS fees_cost_usd,
    sum(ifNull(entry.total_cost_usd, 0)) AS total_cost_usd,
    sumIf(greatest(stands_for, 1), price_status = 'unpriced' AND usage_source != 'none') AS unpriced_calls,
    countIf(usage_source = 'none' AND status != 'error' AND is_model) AS calls_without_usage,
    sumIf(stands_for, price_status = 'self_hosted' AND usage_source != 'none') AS self_hosted_calls
FROM ledger_current AS entry
WHERE project = {project:String}
    AND (
        (time >= toDateTime({from_s:Int64}, 'UTC') AND time < toDateTime({to_s:Int64}, 'UTC'))
        OR (time >= toDateTime({also_from_s:Int64}, 'UTC') AND time < toDateTime({also_to_s:Int64}, 'UTC'))
    )
    AND (empty({model:Array(String)}) OR has({model:Array(String)}, model))
    AND (empty({provider:Array(String)}) OR has({provider:Array(String)}, provider))
    AND (empty({agent:Array(String)}) OR has({agent:Array(String)}, agent_name))
    AND (empty({service:Array(String)}) OR has({service:Array(String)}, service_name))
    AND (empty({environment:Array(String)}) OR has({environment:Array(String)}, environment))
    AND (empty({kind:Array(String)}) OR has({kind:Array(String)}, kind))
    AND (empty({version:Array(String)}) OR has({version:Array(String)}, agent_version))
    AND (empty({workflow:Array(String)}) OR has({workflow:Array(String)}, workflow_name))
    AND (empty({user:Array(String)}) OR has({user:Array(String)}, user_id))
    AND (empty({session:Array(String)}) OR has({session:Array(String)}, session_id))
    AND (empty({task:Array(String)}) OR has({task:Array(String)}, task_id))
    AND (empty({requested:Array(String)}) OR has({requested:Array(String)}, request_model))
    AND (empty({tier:Array(String)}) OR has({tier:Array(String)}, service_tier))
    AND (empty({region:Array(String)}) OR has({region:Array(String)}, region))
    AND (empty({status:Array(String)}) OR has({status:Array(String)}, status))
    AND (empty({error:Array(String)}) OR has({error:Array(String)}, error_type))
GROUP BY is_now, provider, model
ORDER BY is_now, provider, model
