-- Calls of which models have a usage but no price?
-- Parameters: project; t: end of the window; window_h: its hours, the current one among them.
-- Columns: provider, model, value (calls without a price), points (all calls). One row per provider and
-- model.
-- Sort key used: usage_hourly (project, hour).
SELECT
    provider,
    model,
    sum(unpriced_calls) AS value,
    sum(calls) AS points
FROM usage_hourly FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND hour >= toStartOfHour({t:DateTime64(9, 'UTC')}) - toIntervalHour({window_h:UInt32} - 1)
    AND hour < {t:DateTime64(9, 'UTC')}
GROUP BY provider, model
