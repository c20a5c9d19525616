-- How much of the input comes from the provider's cache, by hour and model?
-- Parameters: project, from, to: as in the pickers above.
-- Columns: hour (UTC), model, input_tokens, cached_percent (NULL: no input). One row per hour and model.
-- Sort key used: (project, hour) of usage_hourly.
SELECT
    hour,
    model,
    sum(usage_hourly.input_tokens) AS input_tokens,
    round(100 * sum(cache_read_tokens) / nullIf(input_tokens, 0), 1) AS cached_percent
FROM usage_hourly FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND hour >= {from:DateTime} AND hour < {to:DateTime}
GROUP BY hour, model
ORDER BY hour, model
