-- What did each model cost per day?
-- Parameters: project, from, to: as in the pickers above.
-- Columns: day (UTC), model, cost_usd (of what is priced), calls, unpriced_calls. One row per day and model.
-- Sort key used: (project, hour) of usage_hourly.
SELECT
    toDate(hour) AS day,
    model,
    sum(total_cost_usd) AS cost_usd,
    sum(usage_hourly.calls) AS calls,
    sum(usage_hourly.unpriced_calls) AS unpriced_calls
FROM usage_hourly FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND hour >= {from:DateTime} AND hour < {to:DateTime}
GROUP BY day, model
ORDER BY day, cost_usd DESC
