-- Which spans show each of the findings seen in a time range? To count money once where they overlap.
-- Parameters: project; from_s and to_s: unix seconds, half open; kinds: empty for all.
-- Columns: finding_id, spans (hash of each span kept as evidence), traces (hash of each of their
--   traces), is_whole (1: all of its evidence is kept). One row per finding that shares a trace with
--   another one; the others overlap with nothing.
-- Sort key used: (project, toStartOfHour(first_seen), ...).
WITH
    found AS (
        SELECT
            finding_id,
            arrayMap(span -> cityHash64(span.1, span.2), evidence) AS spans,
            arrayDistinct(arrayMap(span -> span.1, evidence)) AS traces,
            evidence_count <= length(evidence) AND length(evidence) < 1000 AS is_whole
        FROM findings FINAL
        WHERE project = {project:String}
            AND toStartOfHour(first_seen)
                >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC')) - INTERVAL 32 DAY
            AND first_seen < toDateTime({to_s:Int64}, 'UTC')
            AND last_seen >= toDateTime({from_s:Int64}, 'UTC')
            AND (empty({kinds:Array(String)}) OR kind IN {kinds:Array(String)})
            AND is_deleted = 0
    ),
    shared AS (
        SELECT trace_id
        FROM found
        ARRAY JOIN traces AS trace_id
        GROUP BY trace_id
        HAVING count() > 1
    )
SELECT finding_id, spans, arrayMap(trace_id -> cityHash64(trace_id), traces) AS traces, is_whole
FROM found
WHERE hasAny(found.traces, (SELECT groupArray(trace_id) FROM shared))
ORDER BY finding_id
