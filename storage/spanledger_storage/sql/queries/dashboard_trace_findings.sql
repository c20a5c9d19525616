-- What was found in one trace, with the spans of it that show it?
-- Parameters: project; trace_id; hours_s: unix seconds, from dashboard_trace_hours.
-- Columns: finding_id, kind, code, severity, title, direct_usd, avoidable_usd (NULL: unknown), details
--   (JSON), evidence_spans (ids of spans of this trace, in order). One row per finding, the dearest first.
-- Sort key used: (project, toStartOfHour(first_seen), ...): what is in a trace began in one of its hours.
SELECT
    finding_id,
    kind,
    code,
    severity,
    title,
    direct_usd,
    avoidable_usd,
    details,
    arrayMap(span -> span.2, arrayFilter(span -> span.1 = {trace_id:String}, evidence)) AS evidence_spans
FROM findings FINAL
WHERE project = {project:String}
    AND toStartOfHour(first_seen) IN (SELECT toDateTime(arrayJoin({hours_s:Array(UInt32)}), 'UTC'))
    AND trace_id = {trace_id:String}
    AND is_deleted = 0
ORDER BY ifNull(avoidable_usd, direct_usd) DESC NULLS LAST, finding_id
SETTINGS do_not_merge_across_partitions_select_final = 1
