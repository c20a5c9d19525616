-- Which projects had calls since a time?
-- Parameters: from_s: unix seconds, on an hour.
-- Columns: project. One row per project.
-- Sort key used: none of usage_hourly; its rows of all projects since then are read, two columns.
SELECT DISTINCT toString(project) AS project
FROM usage_hourly
WHERE hour >= toDateTime({from_s:Int64}, 'UTC')
ORDER BY project
