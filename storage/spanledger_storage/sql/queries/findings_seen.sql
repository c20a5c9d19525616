-- Which findings were seen in a time, the dearest first?
-- Parameters: project; from_ns and to_ns: UTC nanoseconds, half open; kind and severity: empty for
--   all; finding: 32 hex digits or their beginning, empty for all; most: rows.
-- Result: one row per finding that holds: the columns of findings, times in UTC nanoseconds, without
--   evidence. One that began more than 32 days before the time is left out.
-- Relies on the sort key of findings (project, hour of first_seen, kind, finding_id).
SELECT
    * EXCEPT (first_seen, last_seen, detected_at, is_deleted, evidence),
    CAST([], 'Array(Tuple(trace_id String, span_id String))') AS evidence,
    toUnixTimestamp64Nano(first_seen) AS first_seen_ns,
    toUnixTimestamp64Nano(last_seen) AS last_seen_ns,
    toUnixTimestamp64Nano(detected_at) AS detected_ns
FROM findings FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND first_seen >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC') - INTERVAL 32 DAY
    AND first_seen < fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
    AND last_seen >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')
    AND ({kind:String} = '' OR kind = {kind:String})
    AND ({severity:String} = '' OR severity = {severity:String})
    AND startsWith(finding_id, {finding:String})
ORDER BY ifNull(avoidable_usd, direct_usd) DESC NULLS LAST, first_seen DESC, finding_id
LIMIT {most:UInt32}
