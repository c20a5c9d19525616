-- Which findings were seen in a time range, the dearest first?
-- Parameters: project; from_s and to_s: unix seconds, half open; kinds: empty for all; most: how many.
-- Columns: finding_id, kind, code, severity, is_sure, title, explanation, first_ns, last_ns (unix),
--   detected_s (unix), is_open, trace_id, session_id, user_id, agent_name, agent_version, model,
--   tool_name, pattern, evidence_count, direct_usd, carried_usd, avoidable_usd (NULL: unknown),
--   wasted_ns, details (JSON, of anomalies alone: these say which series they show in), matches (of
--   how many these are the first). One row per finding.
-- A finding that began more than 32 days before the range is left out.
-- Sort key used: (project, toStartOfHour(first_seen), ...).
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
    if(kind = 'cost_anomaly', findings.details, '') AS details,
    count() OVER () AS matches
FROM findings FINAL
WHERE project = {project:String}
    AND toStartOfHour(first_seen) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC')) - INTERVAL 32 DAY
    AND first_seen < toDateTime({to_s:Int64}, 'UTC')
    AND last_seen >= toDateTime({from_s:Int64}, 'UTC')
    AND (empty({kinds:Array(String)}) OR kind IN {kinds:Array(String)})
    AND is_deleted = 0
ORDER BY ifNull(avoidable_usd, direct_usd) DESC NULLS LAST, first_seen DESC, finding_id
LIMIT {most:UInt32}
SETTINGS do_not_merge_across_partitions_select_final = 1
