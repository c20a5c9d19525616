-- What was imported for some days, and which import counts?
-- Parameters: project; first_day and last_day: UTC days, both included.
-- Columns: day, source, import_id, is_final. One row per day and source; by both.
-- Sort key used: (project, day, source).
SELECT
    toString(invoice_days.day) AS day,
    source,
    import_id,
    is_final
FROM invoice_days FINAL
WHERE project = {project:String}
    AND invoice_days.day BETWEEN {first_day:Date} AND {last_day:Date}
    AND import_id != ''
ORDER BY invoice_days.day, source
