-- Which findings of these kinds are news at a time?
-- Parameters: project; t: the time; kinds; shown_s: seconds that one is news after it was seen or
-- detected last; oldest_s: what was last seen longer ago is history, however late it is detected.
-- Columns: identity (of the finding), kind, code, agent, tool, model, trace, pattern, severity, value (the
-- dollars that could have been saved, else spent; NULL: unknown), usd (the same), headline, explanation,
-- trace_ids, starts_ns. One row per finding.
-- Sort key used: findings (project, hour of first_seen, kind, id); an event lasts 30 days at most.
SELECT
    finding_id AS identity,
    kind,
    code,
    agent_name AS agent,
    tool_name AS tool,
    model,
    trace_id AS trace,
    pattern,
    severity,
    coalesce(avoidable_usd, direct_usd) AS value,
    coalesce(avoidable_usd, direct_usd) AS usd,
    title AS headline,
    findings.explanation AS explanation,
    if(trace_id = '', arrayDistinct(arrayMap(span -> span.1, arraySlice(evidence, 1, 50))), [trace_id]) AS trace_ids,
    toUnixTimestamp64Nano(first_seen) AS starts_ns
FROM findings FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND kind IN {kinds:Array(String)}
    AND first_seen >= {t:DateTime64(9, 'UTC')} - toIntervalDay(30)
    AND detected_at < {t:DateTime64(9, 'UTC')}
    AND last_seen >= {t:DateTime64(9, 'UTC')} - toIntervalSecond({oldest_s:UInt32})
    AND greatest(last_seen, detected_at) >= {t:DateTime64(9, 'UTC')} - toIntervalSecond({shown_s:UInt32})
    AND severity IN ('warning', 'critical')
ORDER BY severity, usd DESC NULLS LAST, identity
LIMIT 10000
