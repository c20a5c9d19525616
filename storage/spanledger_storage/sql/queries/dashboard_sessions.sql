-- What did each session, or each user's sessions, cost, and how did they go?
-- Parameters: project; within, name: only traces whose column "within" holds "name" (project
-- and the project: all of them); text: part of the session's or the user's id, empty: any; from_s,
-- to_s: unix seconds, half open, of a trace's start; page_size: rows, the dearest.
-- Columns: name (session id), names (how many there are), traces, failed_traces (at least one span
-- failed), calls, unpriced_calls, calls_without_usage, input_tokens, cache_read_tokens,
-- cache_write_tokens, output_tokens, total_cost_usd (what is priced), users, agents, first_ms,
-- last_ms (unix ms: first start, last end).
-- One row per session; traces without one are left out.
-- Sort key used: (project, toStartOfHour(start_time)).
SELECT
    session_id AS name,
    count() OVER () AS names,
    count() AS traces,
    countIf(error_count > 0) AS failed_traces,
    sum(toUInt64(llm_calls) + embedding_calls) AS calls,
    sum(trace.unpriced_calls) AS unpriced_calls,
    sum(trace.calls_without_usage) AS calls_without_usage,
    sum(trace.input_tokens) AS input_tokens,
    sum(trace.cache_read_tokens) AS cache_read_tokens,
    sum(trace.cache_write_tokens) AS cache_write_tokens,
    sum(trace.output_tokens) AS output_tokens,
    sum(ifNull(trace.total_cost_usd, 0)) AS total_cost_usd,
    arraySort(groupUniqArrayIf(5)(user_id, user_id != '')) AS users,
    arraySort(groupUniqArrayIf(5)(toString(agent_name), agent_name != '')) AS agents,
    toUnixTimestamp64Milli(toDateTime64(min(start_time), 3, 'UTC')) AS first_ms,
    toUnixTimestamp64Milli(toDateTime64(max(end_time), 3, 'UTC')) AS last_ms
FROM traces AS trace FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND start_time >= toDateTime({from_s:Int64}, 'UTC')
    AND start_time < toDateTime({to_s:Int64}, 'UTC')
    AND session_id != ''
    AND {within:Identifier} = {name:String}
    AND (
        {text:String} = ''
        OR positionCaseInsensitiveUTF8(session_id, {text:String}) > 0
        OR positionCaseInsensitiveUTF8(user_id, {text:String}) > 0
    )
GROUP BY name
ORDER BY total_cost_usd DESC, last_ms DESC, name
LIMIT {page_size:UInt32}
