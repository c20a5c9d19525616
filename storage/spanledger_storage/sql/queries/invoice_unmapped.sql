-- Which texts of lines that count does no rule understand, and how much money is in them?
-- Parameters: project; first_day and last_day: UTC days, both included; standing_back: which day and
--   source do not count, as in '2026-11-18 openai.costs_csv'.
-- Columns: provider, description, meter_id, unit, currency, line_count, quantity (NULL: not told), amount (NULL:
--   no money), amount_usd (NULL: no exchange rate), first_day, last_day. One row per text, unit and currency.
-- Sort key used: (project, day, source, ...).
SELECT
    provider,
    description,
    extra['meter_id'] AS meter_id,
    unit,
    currency,
    count() AS line_count,
    sum(quantity) AS quantity,
    sum(lines.amount) AS amount,
    if(countIf(lines.amount IS NOT NULL AND lines.amount_usd IS NULL) > 0, NULL, sum(lines.amount_usd)) AS amount_usd,
    toString(min(day)) AS first_day,
    toString(max(day)) AS last_day
FROM invoice_lines AS lines FINAL
WHERE lines.project = {project:String}
    AND day BETWEEN {first_day:Date} AND {last_day:Date}
    AND token_class = 'unmapped'
    AND NOT has({standing_back:Array(String)}, concat(toString(day), ' ', source))
    AND (day, source, import_id) IN (
        SELECT day, source, import_id FROM invoice_days FINAL
        WHERE project = {project:String} AND day BETWEEN {first_day:Date} AND {last_day:Date})
GROUP BY provider, description, meter_id, unit, currency
ORDER BY provider, description, meter_id, unit, currency
