-- Which hours of a project's usage changed?
-- Parameters: project; from_s: first hour (UNIX seconds, on the hour); since: the version (ns) of
--   usage_hourly up to which all is known.
-- Result: one row per hour (UNIX seconds) with its newest version; sorted by hour.
-- Relies on the sort key of usage_hourly (project, hour, ...): the ledger is larger, and whatever
--   changes it sums its hours again.
SELECT
    toInt64(toUnixTimestamp(hour)) AS hour_s,
    max(version) AS newest_version
FROM usage_hourly
WHERE project = {project:String}
    AND hour >= toDateTime({from_s:Int64}, 'UTC')
    AND version > {since:UInt64}
GROUP BY hour
ORDER BY hour_s
