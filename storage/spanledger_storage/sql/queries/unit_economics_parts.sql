-- What is the cost of the tasks of a period that ended made of: calls, tokens, dollars by class and model?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the start of tasks; silent_before_s:
-- a task without an outcome and without a span since then is abandoned (0: none is); dimension: name of the one that tells owners;
-- agent, version, user, model, owner: values that are let through, empty: all; 
-- Columns: kind (of the ledger), provider, model, calls (with a price by token class), tokens by class
-- of those calls, cost by class and fees_cost_usd of them, total_cost_usd (of everything that is
-- priced). One row per kind, provider and model.
-- A task is the traces of one task id; without an id it is a trace with those that go on with it after
-- a pause. An attempt is a trace with those that go on with it. A task counts where its first attempt
-- began; attempts of one id are looked for from a week before the period on. Its state: completed,
-- failed (any other outcome), abandoned (as reported, or silent for long), empty: no outcome yet.
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
        FROM
        (
            SELECT
                sipHash128(multiIf(trace.task_id != '', trace.task_id, trace.began_in != '', trace.began_in, trace.trace_id)) AS task_hash,
                any(multiIf(trace.task_id != '', trace.task_id, trace.began_in != '', trace.began_in, trace.trace_id)) AS task_key,
                min(trace.start_time) AS started,
                max(trace.end_time) AS last_end,
                uniqExact(sipHash128(if(trace.began_in != '', trace.began_in, trace.trace_id)) AS attempt) AS attempts,
                count() AS traces,
                argMaxIf(trace.outcome, trace.end_time, trace.outcome != '') AS outcome,
                multiIf(
                    outcome = 'completed', 'completed',
                    outcome = 'abandoned', 'abandoned',
                    outcome != '', 'failed',
                    last_end < toDateTime({silent_before_s:Int64}, 'UTC'), 'abandoned',
                    ''
                ) AS state,
                argMaxIf(attempt, trace.end_time, trace.outcome = 'completed') AS own_attempt,
                arrayFilter(
                    part -> part.1 = own_attempt,
                    groupArray((
                        attempt,
                        trace.inference_cost_usd,
                        trace.tool_cost_usd,
                        trace.gpu_cost_usd,
                        trace.infra_cost_usd,
                        ifNull(trace.total_cost_usd, 0)
                    ))
                ) AS own_parts,
                (
                    arraySum(part -> part.2, own_parts),
                    arraySum(part -> part.3, own_parts),
                    arraySum(part -> part.4, own_parts),
                    arraySum(part -> part.5, own_parts),
                    arraySum(part -> part.6, own_parts)
                ) AS own,
                sum(trace.inference_cost_usd) AS inference,
                sum(trace.tool_cost_usd) AS tools,
                sum(trace.gpu_cost_usd) AS gpu,
                sum(trace.infra_cost_usd) AS infra,
                sum(ifNull(trace.total_cost_usd, 0)) AS cost,
                sum(trace.unpriced_calls) AS unpriced,
                sum(trace.calls_without_usage) AS unknown,
                argMin(
                    (
                        toString(trace.agent_name),
                        toString(trace.agent_version),
                        toString(trace.workflow_name),
                        toString(trace.environment),
                        trace.user_id,
                        trace.dimensions[{dimension:String}],
                        toString(trace.name)
                    ),
                    (trace.start_time, trace.trace_id)
                ) AS of_first,
                of_first.1 AS agent_name,
                of_first.2 AS agent_version,
                of_first.3 AS workflow_name,
                of_first.4 AS environment,
                of_first.5 AS user_id,
                of_first.6 AS owner,
                argMax(toString(trace.main_model), (trace.inference_cost_usd, trace.trace_id)) AS model,
                concat(of_first.7, ' · ', model) AS route,
                argMax(trace.trace_id, trace.end_time) AS last_trace,
                argMax(trace.trace_id, ifNull(trace.total_cost_usd, 0)) AS dearest_trace,
                groupArray(trace.trace_id) AS trace_ids,
                {project:String} AS project
            FROM traces AS trace FINAL
            WHERE trace.project = {project:String}
                AND trace.is_deleted = 0
                AND trace.start_time >= toDateTime({from_s:Int64} - 604800, 'UTC')
                AND (
                    (trace.start_time >= toDateTime({from_s:Int64}, 'UTC') AND trace.start_time < toDateTime({to_s:Int64}, 'UTC'))
                    OR trace.began_in != ''
                    OR (
                        -- Equal hashes of different ids only let a task through that HAVING drops.
                        trace.task_id != ''
                        AND sipHash64(trace.task_id) IN
                        (
                            SELECT sipHash64(task_id)
                            FROM traces
                            WHERE traces.project = {project:String}
                                AND start_time >= toDateTime({from_s:Int64}, 'UTC')
                                AND start_time < toDateTime({to_s:Int64}, 'UTC')
                                AND task_id != ''
                        )
                    )
                    OR trace.trace_id IN
                    (
                        SELECT began_in
                        FROM traces
                        WHERE traces.project = {project:String}
                            AND start_time >= toDateTime({from_s:Int64}, 'UTC')
                            AND began_in != ''
                    )
                )
            GROUP BY task_hash
            HAVING started >= toDateTime({from_s:Int64}, 'UTC') AND started < toDateTime({to_s:Int64}, 'UTC')
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
