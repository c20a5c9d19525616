-- In which projects and start hours do the spans of a trace lie?
-- Parameters: trace_id: 32 hex digits.
-- Columns: project, hours_s (unix seconds, sorted). One row per project, sorted.
-- Sort key used: (project, trace_id); without the project the few distinct projects are skipped through.
SELECT
    project,
    arraySort(groupUniqArray(toUnixTimestamp(hour))) AS hours_s
FROM trace_hours
WHERE trace_id = {trace_id:String}
GROUP BY project
ORDER BY project
