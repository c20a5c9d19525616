-- How many requests could not be stored, and wait for somebody?
-- Parameters: project; t: the time.
-- Columns: signal, value (requests), points (spans, records or points in them). One row per signal.
-- Sort key used: dead_letters (project, letter).
SELECT
    signal,
    count() AS value,
    sum(items) AS points
FROM dead_letters FINAL
WHERE project = {project:String}
    AND state = 'open'
    AND received_at < {t:DateTime64(9, 'UTC')}
GROUP BY signal
