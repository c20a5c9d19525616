-- How many calls of tools and models were made, and failed, in each bucket of time?
-- Parameters: project; from_ns and to_ns: UTC nanoseconds, half open; step_s: seconds of a bucket;
--   back_s: seconds before from_ns in which traces that reach into the time began; one_in: of so
--   many traces one is looked at (1: all).
-- Result: one row per bucket (start, UTC seconds), kind (tool or model), name and agent: calls and
--   errors, each call once, however many spans tell of it by its id (of hundreds of calls, to one
--   or two percent; errors exactly). A span that names no agent is of the outermost of its trace.
--   A result that only reads like an error is none.
-- Relies on the sort keys of spans and traces (project, start hour, ...).
SELECT
    toUnixTimestamp(toStartOfInterval(start_time, toIntervalSecond({step_s:UInt32}))) AS bucket_s,
    kind,
    name,
    if(calls.agent_name != '', calls.agent_name, outer.agent_name) AS agent,
    uniqCombined(12)(call) AS calls,
    uniqExactIf(call, is_error) AS errors
FROM
(
    SELECT
        trace_id,
        agent_name,
        start_time,
        if(role = 'tool', 'tool', 'model') AS kind,
        multiIf(role = 'tool', tool_name, response_model != '', response_model, request_model) AS name,
        sipHash64(trace_id, if(tool_call_id != '', tool_call_id, span_id)) AS call,
        if(
            role = 'tool', tool_outcome = 'error' OR tool_evidence IN ('declared', 'payload'), status = 'error'
        ) AS is_error
    FROM spans
    PREWHERE project = {project:String}
        AND toStartOfHour(start_time) >= toStartOfHour(fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC'))
        AND start_time >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')
        AND start_time < fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
        AND role IN ('tool', 'llm')
        AND sipHash64(trace_id) % {one_in:UInt64} = 0
    WHERE NOT has(flags, 'pending')
) AS calls
ANY LEFT JOIN
(
    SELECT trace_id, agent_name
    FROM traces FINAL
    WHERE project = {project:String}
        AND is_deleted = 0
        AND start_time >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC') - toIntervalSecond({back_s:UInt32})
        AND start_time < fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
        AND trace_id IN
        (
            SELECT trace_id
            FROM spans
            PREWHERE project = {project:String}
                AND toStartOfHour(start_time) >= toStartOfHour(fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC'))
                AND start_time >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')
                AND start_time < fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
                AND role IN ('tool', 'llm')
            WHERE spans.agent_name = ''
        )
) AS outer USING (trace_id)
GROUP BY bucket_s, kind, name, agent
