-- The lines that count: of each source's day those of the import that counts for it.
CREATE VIEW IF NOT EXISTS invoice_lines_current AS
SELECT *
FROM invoice_lines FINAL
WHERE (project, day, source, import_id) IN (SELECT project, day, source, import_id FROM invoice_days FINAL)
