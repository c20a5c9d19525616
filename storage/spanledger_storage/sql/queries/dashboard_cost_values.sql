-- Which values of the hourly usage can the cost explorer be narrowed to?
-- Parameters: project; from_s, to_s: unix seconds, half open, on hours.
-- Columns: dimension, value, total_cost_usd. The fifty dearest values of each dimension, dimension
-- by dimension.
-- Sort key used: (project, hour).
SELECT
    pair.1 AS dimension,
    pair.2 AS value,
    sum(usage_hourly.total_cost_usd) AS total_cost_usd
FROM usage_hourly FINAL
ARRAY JOIN [
    ('model', toString(model)),
    ('provider', toString(provider)),
    ('agent', toString(agent_name)),
    ('service', toString(service_name)),
    ('environment', toString(environment)),
    ('kind', toString(kind))
] AS pair
WHERE project = {project:String}
    AND is_deleted = 0
    AND hour >= toDateTime({from_s:Int64}, 'UTC')
    AND hour < toDateTime({to_s:Int64}, 'UTC')
GROUP BY dimension, value
ORDER BY dimension, total_cost_usd DESC, sum(usage_hourly.calls) DESC, value
LIMIT 50 BY dimension
