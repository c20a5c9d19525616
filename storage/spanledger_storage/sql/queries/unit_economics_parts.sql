-- What is the cost of the tasks of a period that ended made of: calls, tokens, dollars by class and model?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the start of tasks; silent_before_s:
-- a task without an outcome and without a span since then is abandoned (0: none is); dimension: name of the one that tells owners;
-- agent, version, user, model, owner: values that are let through, empty: all; 
-- Columns: kind (of the ledger), provider, model, calls (with a price by token class), tokens by class
-- of those calls, cost by class and fees_cost_usd of them, total_cost_usd (of everything that is
-- priced). One row per kind, provider and model.
-- What a task is, and its state: in the view tasks_between.
-- An entry known from metrics stands for as many calls as its attempts say, at least one.
-- Sort key used: (project, toStartOfHour(start_time)) of traces, (project, toStartOfHour(time)) of ledger.
WITH
    if(usage_source = 'metric', greatest(ifNull(entry.attempts, 1), 1), 1) AS stands_for,
    price_status = 'priced' AND (entry.uncached_cost_usd IS NOT NULL OR entry.output_cost_usd IS NOT NULL) AS has_parts,
    entry.input_tokens IS NOT NULL AS has_input -- else a class alone is known, and no share of it
SELECT
    kind,
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
    sum(ifNull(entry.total_cost_usd, 0)) AS total_cost_usd
FROM ledger_current AS entry
WHERE project = {project:String}
    AND time >= toDateTime({from_s:Int64} - 604800, 'UTC')
    AND trace_id IN
    (
        SELECT arrayJoin(trace_ids)
        FROM tasks_between(
            project = {project:String},
            from_s = {from_s:Int64},
            to_s = {to_s:Int64},
            silent_before_s = {silent_before_s:Int64},
            dimension = {dimension:String}
        ) AS task
        WHERE state != ''
            AND (empty({agent:Array(String)}) OR has({agent:Array(String)}, task.agent_name))
            AND (empty({version:Array(String)}) OR has({version:Array(String)}, task.agent_version))
            AND (empty({user:Array(String)}) OR has({user:Array(String)}, task.user_id))
            AND (empty({model:Array(String)}) OR has({model:Array(String)}, task.model))
            AND (empty({owner:Array(String)}) OR has({owner:Array(String)}, task.owner))
    )
GROUP BY kind, provider, model
ORDER BY kind, provider, model
