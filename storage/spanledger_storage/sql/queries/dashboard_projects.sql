-- Which projects hold data?
-- Columns: project. One row per project, sorted by name.
-- Reads only the first key column of two small tables; usage_hourly keeps projects whose traces expired.
SELECT project
FROM
(
    SELECT DISTINCT project FROM trace_hours
    UNION DISTINCT
    SELECT DISTINCT project FROM usage_hourly
)
ORDER BY project
