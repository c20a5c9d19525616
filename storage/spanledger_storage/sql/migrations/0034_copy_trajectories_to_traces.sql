-- blocking: yes
-- The rows so far, one per trace. What was not known of them is derived when they change; until then
-- all their time counts as active. Running it again changes nothing that a reader sees.
INSERT INTO traces (
    project, trace_id, name, root_span_id, start_time, end_time, status, outcome, service_name,
    environment, agent_name, agents, models, session_id, user_id, task_id, span_count, error_count,
    llm_calls, embedding_calls, tool_calls, unpriced_calls, calls_without_usage, input_tokens,
    cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, total_cost_usd,
    critical_path_ns, active_ns, active_times, is_deleted, version
)
SELECT
    project, trajectory_id, name, root_span_id, start_time, end_time, status, outcome, service_name,
    environment, agent_name, agents, models, session_id, user_id, task_id, span_count, error_count,
    llm_calls, embedding_calls, tool_calls, unpriced_calls, calls_without_usage, input_tokens,
    cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, total_cost_usd,
    greatest(0, toUnixTimestamp64Nano(end_time) - toUnixTimestamp64Nano(start_time)) AS active_ns,
    active_ns,
    if(active_ns > 0, [toUnixTimestamp64Nano(start_time), toUnixTimestamp64Nano(end_time)], []),
    is_deleted,
    version
FROM trajectories
SETTINGS max_partitions_per_insert_block = 0
