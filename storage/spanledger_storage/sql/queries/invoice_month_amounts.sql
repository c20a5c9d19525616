-- What do the lines that count add up to, by day, source and what they are for?
-- Parameters: project; first_day and last_day: UTC days, both included.
-- Columns: day, source, provider, is_long (1: for several days), token_class, currency, line_count, amount (NULL: no
--   money), amount_usd (NULL: no money, or no exchange rate for some), invoice_ids (a few). One row per all of these
--   before line_count.
-- Sort key used: (project, day, source, ...).
SELECT
    toString(lines.day) AS day,
    source,
    provider,
    toUInt8(last_day > lines.day) AS is_long,
    token_class,
    currency,
    count() AS line_count,
    sum(lines.amount) AS amount,
    if(countIf(lines.amount IS NOT NULL AND lines.amount_usd IS NULL) > 0, NULL, sum(lines.amount_usd)) AS amount_usd,
    groupUniqArrayIf(3)(invoice_id, invoice_id != '') AS invoice_ids
FROM invoice_lines AS lines FINAL
WHERE lines.project = {project:String}
    AND lines.day BETWEEN {first_day:Date} AND {last_day:Date}
    AND (lines.day, source, import_id) IN (
        SELECT day, source, import_id FROM invoice_days FINAL
        WHERE project = {project:String} AND day BETWEEN {first_day:Date} AND {last_day:Date})
GROUP BY lines.day, source, provider, is_long, token_class, currency
ORDER BY lines.day, source, provider, is_long, token_class, currency
