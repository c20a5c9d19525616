-- The lines of one import as they were read, whether they count or not.
-- Parameters: project; import_id; first_day and last_day: of the import; after_line and after_part: the
--   last row of the page before; page_size: how many rows.
-- Columns: those of invoice_lines. One row per line of a file and part of it; by line and part.
-- Sort key used: (project, day, source, import_id, line_number, part).
SELECT
    lines.project AS project, day, last_day, import_id, source, line_number, part, dataset, provider,
    token_class, quantity, unit, amount, currency, list_amount, amount_usd, scope, api_key, user, model,
    reported_model, processing, service_tier, context, geo, description, invoice_id, extra
FROM invoice_lines AS lines FINAL
WHERE lines.project = {project:String}
    AND day BETWEEN {first_day:Date} AND {last_day:Date}
    AND import_id = {import_id:String}
    AND (line_number, part) > ({after_line:UInt32}, {after_part:UInt16})
ORDER BY line_number, part
LIMIT {page_size:UInt32}
