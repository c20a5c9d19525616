-- Which tokens did the calls of one class of task use, by what prices depend on?
-- Parameters: project; from_s, to_s: unix seconds, half open; task_class: as in routing_calls;
-- sizes: where prices change with the size of a request, smallest requests of each (input tokens),
-- ascending, 0 first.
-- Columns: provider, model, service_tier, region, size_from (of sizes), calls, sums of tokens by
-- class: input, cache_read, cache_write, cache_write_5m, cache_write_1h, output, reasoning,
-- audio_input, audio_output, image, image_output, cache_read_audio, web_searches, then
-- total_cost_usd (what was paid). Only calls whose usage and price are known, and that are no sums.
-- Sort key used: (project, toStartOfHour(time)), that of traces (project, toStartOfHour(start_time)).
SELECT
    entry.provider AS provider,
    entry.model AS model,
    entry.service_tier AS service_tier,
    entry.region AS region,
    roundDown(assumeNotNull(entry.input_tokens), {sizes:Array(UInt64)}) AS size_from,
    count() AS calls,
    sum(ifNull(entry.input_tokens, 0)) AS input,
    sum(ifNull(entry.cache_read_tokens, 0)) AS cache_read,
    sum(ifNull(entry.cache_write_tokens, 0)) AS cache_write,
    sum(ifNull(entry.cache_write_5m_tokens, 0)) AS cache_write_5m,
    sum(ifNull(entry.cache_write_1h_tokens, 0)) AS cache_write_1h,
    sum(ifNull(entry.output_tokens, 0)) AS output,
    sum(ifNull(entry.reasoning_tokens, 0)) AS reasoning,
    sum(ifNull(entry.audio_input_tokens, 0)) AS audio_input,
    sum(ifNull(entry.audio_output_tokens, 0)) AS audio_output,
    sum(ifNull(entry.image_tokens, 0)) AS image,
    sum(ifNull(entry.image_output_tokens, 0)) AS image_output,
    sum(ifNull(entry.cache_read_audio_tokens, 0)) AS cache_read_audio,
    sum(ifNull(entry.web_searches, 0)) AS web_searches,
    sum(assumeNotNull(entry.total_cost_usd)) AS total_cost_usd
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
    AND entry.input_tokens IS NOT NULL
    AND entry.output_tokens IS NOT NULL
    AND entry.total_cost_usd IS NOT NULL
    AND entry.usage_source NOT IN ('metric', 'aggregate', 'none')
    AND {task_class:String} = if(
        trace.task_class != '', trace.task_class,
        arrayStringConcat(
            arrayDistinct(arrayFilter(text -> text != '', [toString(entry.agent_name), toString(entry.workflow_name)])),
            ' · '
        )
    )
GROUP BY provider, model, service_tier, region, size_from
ORDER BY total_cost_usd DESC, provider, model, service_tier, region, size_from
SETTINGS do_not_merge_across_partitions_select_final = 1
