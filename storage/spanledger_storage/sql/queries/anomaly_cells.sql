-- Who spent what in these hours, in steps of time?
-- Parameters: project; hours (UTC start hours, UNIX seconds); step_s: length of a step, which
--   divides an hour.
-- Result: one row per start_s (UNIX seconds), agent, model, service, team and tool: cost_usd (of what is
--   priced), calls (of models), traces, input_tokens, cache_read_tokens, output_tokens; all as
--   floating point. Traces are counted when they begin, in rows without a model and a tool.
-- Relies on the sort keys of ledger (project, start hour, ...) and of traces (project, start hour, ...).
SELECT
    toInt64(intDiv(toUnixTimestamp(time), {step_s:UInt32}) * {step_s:UInt32}) AS start_s,
    toString(agent_name) AS agent,
    toString(ledger.model) AS model,
    toString(service_name) AS service,
    dimensions['team'] AS team,
    toString(tool_name) AS tool,
    toFloat64(sum(ifNull(ledger.total_cost_usd, 0))) AS cost_usd,
    toFloat64(sumIf(
        if(usage_source = 'metric', greatest(ifNull(attempts, 1), 1), 1), kind IN ('llm', 'embedding')
    )) AS calls,
    0. AS traces,
    toFloat64(sum(ifNull(ledger.input_tokens, 0))) AS input_tokens,
    toFloat64(sum(ifNull(ledger.cache_read_tokens, 0))) AS cache_read_tokens,
    toFloat64(sum(ifNull(ledger.output_tokens, 0))) AS output_tokens
FROM ledger FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND toStartOfHour(time) IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
GROUP BY start_s, agent, model, service, team, tool
UNION ALL
SELECT
    toInt64(intDiv(toUnixTimestamp(start_time), {step_s:UInt32}) * {step_s:UInt32}) AS start_s,
    toString(agent_name) AS agent,
    '' AS model,
    toString(service_name) AS service,
    dimensions['team'] AS team,
    '' AS tool,
    0. AS cost_usd,
    0. AS calls,
    toFloat64(count()) AS traces,
    0. AS input_tokens,
    0. AS cache_read_tokens,
    0. AS output_tokens
FROM traces FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND toStartOfHour(start_time) IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
GROUP BY start_s, agent, model, service, team, tool
