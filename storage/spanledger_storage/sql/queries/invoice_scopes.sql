-- Which scopes and keys do lines name, and how much money is in them?
-- Parameters: project; first_day and last_day: UTC days, both included; standing_back: which day and
--   source do not count, as in '2026-11-18 openai.costs_csv'.
-- Columns: provider, kind (scope, api_key), value, currency (empty: no money), line_count, amount (NULL: no money),
--   amount_usd (NULL: no money, or no exchange rate for some), last_day. One row per value and currency.
-- Sort key used: (project, day, source, ...).
SELECT
    provider,
    named.1 AS kind,
    assumeNotNull(named.2) AS value,
    currency,
    count() AS line_count,
    sum(lines.amount) AS amount,
    if(countIf(lines.amount IS NOT NULL AND lines.amount_usd IS NULL) > 0, NULL, sum(lines.amount_usd)) AS amount_usd,
    toString(max(day)) AS last_day
FROM invoice_lines AS lines FINAL
ARRAY JOIN [('scope', scope), ('api_key', api_key)] AS named
WHERE lines.project = {project:String}
    AND day BETWEEN {first_day:Date} AND {last_day:Date}
    AND named.2 != ''
    AND NOT has({standing_back:Array(String)}, concat(toString(day), ' ', source))
    AND (day, source, import_id) IN (
        SELECT day, source, import_id FROM invoice_days FINAL
        WHERE project = {project:String} AND day BETWEEN {first_day:Date} AND {last_day:Date})
GROUP BY provider, kind, value, currency
ORDER BY amount_usd DESC, provider, kind, value, currency
LIMIT 1000
