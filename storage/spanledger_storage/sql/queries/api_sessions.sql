-- What did each session do and cost, the one that began last first, from one place on?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the start of its traces; after_ns,
-- after_id: the first start (unix ns) and key of the session to go on from, below zero: from the newest;
-- slice, slices: only the sessions of this part of so many, 0 of 1: all; filters (empty: not filtered)
-- on traces: session, user, agent (the outermost or any), service, environment; page_rows.
-- Columns: session_id, key (hash of the id), first_time, last_time, users, agents, models (sorted), then over its traces:
-- traces, failed_traces (with a span that failed), completed_traces (outcome completed), spans, calls,
-- tokens by class, unpriced_calls, calls_without_usage, total_cost_usd (NULL: nothing is priced).
-- One row per session; traces without one are left out.
-- Sort key used: (project, toStartOfHour(start_time)).
SELECT
    session_id,
    lower(hex(sipHash128(session_id))) AS key,
    min(start_time) AS first_time,
    max(end_time) AS last_time,
    arraySort(groupUniqArrayIf(user_id, user_id != '')) AS users,
    arraySort(arrayDistinct(arrayFilter(name -> name != '', groupUniqArrayArray(trace.agents)))) AS agents,
    arraySort(groupUniqArrayArray(trace.models)) AS models,
    count() AS traces,
    countIf(trace.error_count > 0) AS failed_traces,
    countIf(trace.outcome = 'completed') AS completed_traces,
    sum(toUInt64(trace.span_count)) AS span_count,
    sum(toUInt64(trace.error_count)) AS error_count,
    sum(toUInt64(trace.llm_calls)) AS llm_calls,
    sum(toUInt64(trace.embedding_calls)) AS embedding_calls,
    sum(toUInt64(trace.tool_calls)) AS tool_calls,
    sum(toUInt64(trace.unpriced_calls)) AS unpriced_calls,
    sum(toUInt64(trace.calls_without_usage)) AS calls_without_usage,
    sum(trace.input_tokens) AS input_tokens,
    sum(trace.cache_read_tokens) AS cache_read_tokens,
    sum(trace.cache_write_tokens) AS cache_write_tokens,
    sum(trace.output_tokens) AS output_tokens,
    sum(trace.reasoning_tokens) AS reasoning_tokens,
    sum(trace.total_cost_usd) AS total_cost_usd
FROM traces AS trace FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND start_time >= toDateTime({from_s:Int64}, 'UTC')
    AND start_time < toDateTime({to_s:Int64}, 'UTC')
    AND session_id != ''
    AND cityHash64(session_id) % {slices:UInt32} = {slice:UInt32}
    AND ({session:String} = '' OR session_id = {session:String})
    AND ({user:String} = '' OR user_id = {user:String})
    AND ({agent:String} = '' OR agent_name = {agent:String} OR has(trace.agents, {agent:String}))
    AND ({service:String} = '' OR service_name = {service:String})
    AND ({environment:String} = '' OR environment = {environment:String})
GROUP BY session_id
HAVING {after_ns:Int64} < 0
    OR (toUnixTimestamp64Nano(first_time), key) < ({after_ns:Int64}, {after_id:String})
ORDER BY first_time DESC, key DESC
LIMIT {page_rows:UInt64}
