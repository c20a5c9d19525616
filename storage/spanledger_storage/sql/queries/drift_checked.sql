-- Which days of which projects have been checked for drift, and which have something to check?
-- Parameters: from_s, to_s: unix seconds, half open, on hours.
-- Columns: project, day (days since 1970), is_checked. One row per project and day on which models
--   were called.
-- Sort key used: none of usage_hourly; its rows of all projects in between are read, two columns.
SELECT
    toString(project) AS project,
    toUInt32(toDate(hour)) AS day,
    (project, day) IN (
        SELECT project, toUInt32(day) FROM drift_checks WHERE day >= toDate(toDateTime({from_s:Int64}, 'UTC'))
    ) AS is_checked
FROM usage_hourly
WHERE hour >= toDateTime({from_s:Int64}, 'UTC') AND hour < toDateTime({to_s:Int64}, 'UTC')
GROUP BY project, day
ORDER BY project, day
