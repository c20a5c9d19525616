-- Which calls of tools and models failed in a time?
-- Parameters: project; from_ns and to_ns: UTC nanoseconds, half open; back_s: seconds before
--   from_ns in which traces that reach into the time began; max_rows: the earliest so many.
-- Result: one row per span of a call that failed, by start: what it is of, agent as in
--   cascade_calls, type and message of the error (of results, whose texts may go sooner than
--   findings, no more than one word), and what it shares with others downstream: mcp
--   (MCP server), server (address), provider, region; times in UTC nanoseconds.
-- Relies on the sort keys of spans and traces (project, start hour, ...).
SELECT
    trace_id,
    span_id,
    toUnixTimestamp64Nano(start_time) AS start_ns,
    toUnixTimestamp64Nano(end_time) AS end_ns,
    if(role = 'tool', 'tool', 'model') AS kind,
    multiIf(role = 'tool', tool_name, response_model != '', response_model, request_model) AS name,
    if(errors.agent_name != '', errors.agent_name, outer.agent_name) AS agent,
    tool_call_id AS call_id,
    error_type,
    if(
        status_message != '',
        substring(status_message, 1, 300),
        extract(JSONExtractString(tool_result, 'error'), '^[A-Za-z0-9_.:-]{1,64}$')
    ) AS message,
    attributes['mcp.server.name'] AS mcp,
    if(attributes['server.address'] != '', attributes['server.address'], attributes['net.peer.name']) AS server,
    provider,
    region
FROM
(
    SELECT
        trace_id,
        span_id,
        start_time,
        end_time,
        role,
        agent_name,
        tool_name,
        response_model,
        request_model,
        tool_call_id,
        error_type,
        status_message,
        tool_result,
        attributes,
        provider,
        region
    FROM spans
    PREWHERE project = {project:String}
        AND toStartOfHour(start_time) >= toStartOfHour(fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC'))
        AND start_time >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')
        AND start_time < fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
        AND role IN ('tool', 'llm')
    WHERE NOT has(flags, 'pending')
        AND if(
            role = 'tool', tool_outcome = 'error' OR tool_evidence IN ('declared', 'payload'), status = 'error'
        )
    ORDER BY start_time, trace_id, span_id, version DESC
    LIMIT 1 BY trace_id, span_id
    LIMIT {max_rows:UInt32}
) AS errors
ANY LEFT JOIN
(
    SELECT trace_id, agent_name
    FROM traces FINAL
    WHERE project = {project:String}
        AND is_deleted = 0
        AND start_time >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC') - toIntervalSecond({back_s:UInt32})
        AND start_time < fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
) AS outer USING (trace_id)
ORDER BY start_ns, trace_id, span_id
