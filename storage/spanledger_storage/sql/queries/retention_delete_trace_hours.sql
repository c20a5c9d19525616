-- Remove from trace_hours the traces that had their last span before a day.
-- Parameters: projects: names; day: the first UTC day that stays, as YYYYMMDD.
-- Result: none. A trace of which a span remains keeps all its rows: they say that it once had more.
--   Rows without a trace note hours of metrics, for nobody.
-- Relies on the sort key of trace_hours (project, trace_id, hour); reads it whole for the projects.
ALTER TABLE trace_hours DELETE
WHERE project IN {projects:Array(String)}
    AND (trace_id = '' OR (project, trace_id) IN
    (
        SELECT project, trace_id
        FROM trace_hours
        WHERE project IN {projects:Array(String)}
        GROUP BY project, trace_id
        HAVING toYYYYMMDD(max(hour)) < {day:UInt32}
    ))
SETTINGS mutations_sync = 1
