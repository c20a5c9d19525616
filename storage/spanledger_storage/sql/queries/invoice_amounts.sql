-- How much is in the lines that count, by day and source?
-- Parameters: project; first_day and last_day: UTC days, both included.
-- Columns: day, source, currency (empty: no money), line_count, amount (NULL: no money), amount_usd (NULL: none,
--   or no exchange rate for some), unmapped_count. One row per day, source and currency.
-- Sort key used: (project, day, source, ...).
SELECT
    toString(lines.day) AS day,
    source,
    currency,
    count() AS line_count,
    sum(lines.amount) AS amount,
    if(countIf(lines.amount IS NOT NULL AND lines.amount_usd IS NULL) > 0, NULL, sum(lines.amount_usd)) AS amount_usd,
    countIf(token_class = 'unmapped') AS unmapped_count
FROM invoice_lines AS lines FINAL
WHERE lines.project = {project:String}
    AND lines.day BETWEEN {first_day:Date} AND {last_day:Date}
    AND (lines.day, source, import_id) IN (
        SELECT day, source, import_id FROM invoice_days FINAL
        WHERE project = {project:String} AND day BETWEEN {first_day:Date} AND {last_day:Date})
GROUP BY lines.day, source, currency
ORDER BY lines.day, source, currency
