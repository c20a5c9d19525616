-- The lines that count for some days and sources, a page at a time.
-- Parameters: project; first_day and last_day: UTC days, both included; wanted: which day and source,
--   as in '2026-11-18 openai.costs'; after_day, after_source, after_line and after_part: the last row of the
--   page before; page_size: how many rows; only_waiting: 1 leaves out lines with class and dollars.
-- Columns: those of invoice_lines. One row per line of a file and part of it; by day, source, line and part.
-- Sort key used: (project, day, source, import_id, line_number, part): of a day and source one import counts.
SELECT
    lines.project AS project, day, last_day, import_id, source, line_number, part, dataset, provider,
    token_class, quantity, unit, amount, currency, list_amount, amount_usd, scope, api_key, user, model,
    reported_model, processing, service_tier, context, geo, description, invoice_id, extra
FROM invoice_lines AS lines FINAL
WHERE lines.project = {project:String}
    AND day BETWEEN {first_day:Date} AND {last_day:Date}
    AND (day, source, line_number, part)
        > ({after_day:Date}, {after_source:String}, {after_line:UInt32}, {after_part:UInt16})
    AND ({only_waiting:UInt8} = 0 OR token_class = 'unmapped' OR (amount IS NOT NULL AND amount_usd IS NULL))
    AND has({wanted:Array(String)}, concat(toString(day), ' ', source))
    AND (day, source, import_id) IN (
        SELECT day, source, import_id FROM invoice_days FINAL
        WHERE project = {project:String} AND day BETWEEN {first_day:Date} AND {last_day:Date})
ORDER BY day, source, line_number, part
LIMIT {page_size:UInt32}
