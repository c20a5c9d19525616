-- What is known of one finding?
-- Parameters: project; finding_id: 32 hex digits.
-- Columns: those of dashboard_findings but matches, and evidence_spans (ids in order, at most 1,000),
--   evidence_traces (the trace of each). At most one row.
-- Sort key used: (project); the index on finding_id skips the rest.
SELECT
    finding_id,
    kind,
    code,
    severity,
    is_sure,
    title,
    explanation,
    toUnixTimestamp64Nano(first_seen) AS first_ns,
    toUnixTimestamp64Nano(last_seen) AS last_ns,
    toUnixTimestamp(detected_at) AS detected_s,
    is_open,
    trace_id,
    session_id,
    user_id,
    agent_name,
    agent_version,
    model,
    tool_name,
    pattern,
    evidence_count,
    direct_usd,
    carried_usd,
    avoidable_usd,
    wasted_ns,
    details,
    arrayMap(span -> span.2, evidence) AS evidence_spans,
    arrayMap(span -> span.1, evidence) AS evidence_traces
FROM findings FINAL
WHERE project = {project:String} AND finding_id = {finding_id:String} AND is_deleted = 0
LIMIT 1
SETTINGS do_not_merge_across_partitions_select_final = 1
