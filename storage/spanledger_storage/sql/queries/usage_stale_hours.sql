-- Which hours of the ledger changed since usage was last recomputed?
-- Parameters: since: the version (ns) up to which usage_hourly is known to be right.
-- Result: one row per project and hour; hour is a UTC start hour in UNIX seconds, newest_version
--   the newest ledger version in it.
-- Reads the column version of the whole ledger: asked once when a worker starts.
SELECT
    project,
    toUnixTimestamp(toStartOfHour(time)) AS hour,
    max(version) AS newest_version
FROM ledger
WHERE version > {since:UInt64}
GROUP BY project, hour
ORDER BY project, hour
