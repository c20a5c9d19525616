-- blocking: yes
-- Every trace so far is a trajectory of its own, until one of its keys is seen again. Running it
-- again changes nothing that a reader sees.
INSERT INTO trajectories (
    project, trajectory_id, trace_ids, name, start_time, end_time, status, outcome, service_name,
    environment, agent_name, agents, models, session_id, user_id, task_id, traces, requests,
    trace_depth, failed_traces, span_count, error_count, llm_calls, embedding_calls, tool_calls, unpriced_calls,
    calls_without_usage, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,
    reasoning_tokens, total_cost_usd, critical_path_ns, active_ns, is_deleted, version
)
SELECT
    project, trace_id, [trace_id], name, start_time, end_time, status, outcome, service_name,
    environment, agent_name, agents, models, session_id, user_id, task_id, 1, 1,
    1, error_count > 0, span_count, error_count, llm_calls, embedding_calls, tool_calls, unpriced_calls,
    calls_without_usage, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,
    reasoning_tokens, total_cost_usd, critical_path_ns, active_ns, is_deleted, version
FROM traces
SETTINGS max_partitions_per_insert_block = 0
