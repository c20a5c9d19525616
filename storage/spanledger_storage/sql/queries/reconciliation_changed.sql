-- Which days of providers' bills have to be compared again, because lines or the ledger changed?
-- Parameters: since: version (ns) up to which everything was handled; deleted: how ids of flushes
--   begin that announce hours in which a deletion removed entries. Of all projects.
-- Columns: project, day (days since 1970), is_closed (1: every report says it is final), lines (1:
--   lines changed, 0: the ledger alone). One row per project and day of which some report tells.
-- Sort keys used: invoice_days (project, day, source); touches (time); the index of versions of
--   ledger.
SELECT
    days.project AS project,
    days.day AS day,
    days.is_closed AS is_closed,
    toUInt8(days.newest > {since:UInt64}) AS lines
FROM
(
    SELECT toString(project) AS project, toUInt32(day) AS day, min(is_final OR import_id = '') AS is_closed, max(version) AS newest
    FROM invoice_days FINAL
    GROUP BY project, day
) AS days
LEFT JOIN
(
    SELECT DISTINCT toString(project) AS project, toUInt32(toDate(time, 'UTC')) AS day
    FROM ledger
    WHERE version > {since:UInt64}
        AND kind != 'adjustment'
    UNION DISTINCT
    SELECT toString(project) AS project, toUInt32(toDate(hour, 'UTC')) AS day
    FROM touches
    WHERE touched_at > fromUnixTimestamp64Nano(toInt64({since:UInt64}))
        AND startsWith(flush_id, {deleted:String})
) AS changed ON changed.project = days.project AND changed.day = days.day
WHERE days.newest > {since:UInt64} OR changed.day > 0
ORDER BY project, day
