-- What do calls cost and how long do they take, by class of task and model?
-- Parameters: project; from_s, to_s: unix seconds, half open; page_size: rows, the dearest first.
-- Columns: task_class, provider, model, calls, errors, priced_calls (those whose cost is known),
-- unpriced_calls (also self-hosted ones: what a GPU did for them is an entry of its own),
-- calls_without_usage, tokens by class, total_cost_usd (what is priced), p50_ns, p95_ns (of answered calls). One row per class, provider and model. Classes as in routing_attempts, by the trace of a call; without a row of it,
-- by the agent and workflow of the call itself.
-- An entry known from metrics stands for as many calls as its attempts say, at least one.
-- Sort key used: (project, toStartOfHour(time)), that of traces (project, toStartOfHour(start_time)).
WITH if(usage_source = 'metric', greatest(ifNull(attempts, 1), 1), 1) AS stands_for
SELECT
    if(
        trace.task_class != '', trace.task_class,
        arrayStringConcat(
            arrayDistinct(arrayFilter(text -> text != '', [toString(entry.agent_name), toString(entry.workflow_name)])),
            ' · '
        )
    ) AS task_class,
    entry.provider AS provider,
    entry.model AS model,
    sum(stands_for) AS calls,
    countIf(entry.status = 'error') AS errors,
    sumIf(stands_for, entry.total_cost_usd IS NOT NULL) AS priced_calls,
    sumIf(stands_for, entry.price_status IN ('unpriced', 'self_hosted') AND entry.usage_source != 'none') AS unpriced_calls,
    countIf(entry.usage_source = 'none' AND entry.status != 'error') AS calls_without_usage,
    sum(ifNull(entry.uncached_tokens, 0)) AS uncached_tokens,
    sum(ifNull(entry.cache_read_tokens, 0)) AS cache_read_tokens,
    sum(ifNull(entry.cache_write_tokens, 0)) AS cache_write_tokens,
    sum(ifNull(entry.output_tokens, 0)) AS output_tokens,
    sum(ifNull(entry.total_cost_usd, 0)) AS total_cost_usd,
    quantileIf(0.5)(entry.duration_ns, entry.status != 'error' AND entry.usage_source != 'metric') AS p50_ns,
    quantileIf(0.95)(entry.duration_ns, entry.status != 'error' AND entry.usage_source != 'metric') AS p95_ns
FROM ledger_current AS entry
LEFT JOIN
(
    SELECT
        trace_id,
        if(
            dimensions['task_class'] != '', dimensions['task_class'],
            arrayStringConcat(
                arrayDistinct(arrayFilter(text -> text != '', [toString(agent_name), toString(if(workflow_name != '', workflow_name, name))])),
                ' · '
            )
        ) AS task_class
    FROM traces FINAL
    WHERE project = {project:String}
        AND is_deleted = 0
        AND start_time >= toDateTime({from_s:Int64} - 604800, 'UTC')
        AND start_time < toDateTime({to_s:Int64}, 'UTC')
) AS trace ON trace.trace_id = entry.trace_id
WHERE entry.project = {project:String}
    AND entry.kind IN ('llm', 'embedding')
    AND entry.time >= toDateTime({from_s:Int64}, 'UTC')
    AND entry.time < toDateTime({to_s:Int64}, 'UTC')
GROUP BY task_class, provider, model
ORDER BY total_cost_usd DESC, task_class, provider, model
LIMIT {page_size:UInt32}
SETTINGS do_not_merge_across_partitions_select_final = 1
