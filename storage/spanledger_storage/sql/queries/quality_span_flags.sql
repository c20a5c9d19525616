-- What did the collector find odd about single spans?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the span's start, or of its
--   receipt when it claims to have started before 2000 or after the period.
-- Columns: flag, service_name, scope_name, scope_version, spans, examples: up to five (trace_id,
--   span_id). One row per flag, service and scope, most spans first.
-- Sort key used: (project, toStartOfHour(start_time)); the impossible times by partition.
SELECT
    arrayJoin(flags) AS flag,
    service_name,
    scope_name,
    scope_version,
    count() AS spans,
    groupArray(5)((trace_id, span_id)) AS examples
FROM spans FINAL
WHERE project = {project:String}
    AND notEmpty(flags)
    AND (
        (start_time >= toDateTime({from_s:Int64}, 'UTC') AND start_time < toDateTime({to_s:Int64}, 'UTC'))
        OR (
            (start_time < toDateTime('2000-01-01 00:00:00', 'UTC') OR start_time >= toDateTime({to_s:Int64}, 'UTC'))
            AND ingested_at >= toDateTime({from_s:Int64}, 'UTC')
            AND ingested_at < toDateTime({to_s:Int64}, 'UTC')
        )
    )
GROUP BY flag, service_name, scope_name, scope_version
ORDER BY spans DESC, flag, service_name, scope_name, scope_version
LIMIT 10000
