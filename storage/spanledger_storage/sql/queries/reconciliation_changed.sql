-- Which days of providers' bills have to be compared again, because lines or the ledger changed?
-- Parameters: since: version (ns) up to which everything was handled; deleted: how ids of flushes
--   begin that announce hours in which a deletion removed entries. Of all projects.
-- Columns: project, day (days since 1970), is_closed (1: every report says it is final), lines (1:
--   lines changed, 0: the ledger alone). One row per project and day of which some report tells. A line
--   of several days is compared on its first, so that a change of any of them is one of the first too.
-- Sort keys used: invoice_days (project, day, source); touches (time); the index of versions of
--   ledger. Days of invoice_lines are read whole: two columns, of all imports.
SELECT
    days.project AS project,
    days.day AS day,
    days.is_closed AS is_closed,
    changed.lines AS lines
FROM
(
    SELECT toString(project) AS project, toUInt32(day) AS day, min(is_final OR import_id = '') AS is_closed
    FROM invoice_days FINAL
    GROUP BY project, day
) AS days
INNER JOIN
(
    SELECT
        moved.project AS project,
        arrayJoin(arrayPushBack(
            arrayMap(one -> one.1, arrayFilter(one -> moved.day BETWEEN one.1 AND one.2, long.days)), moved.day)) AS day,
        max(moved.lines) AS lines
    FROM
    (
        SELECT DISTINCT toString(project) AS project, toUInt32(toDate(time, 'UTC')) AS day, 0 AS lines
        FROM ledger
        WHERE version > {since:UInt64}
            AND kind != 'adjustment'
        UNION ALL
        SELECT toString(project) AS project, toUInt32(toDate(hour, 'UTC')) AS day, 0 AS lines
        FROM touches
        WHERE touched_at > fromUnixTimestamp64Nano(toInt64({since:UInt64}))
            AND startsWith(flush_id, {deleted:String})
        UNION ALL
        SELECT toString(project) AS project, toUInt32(day) AS day, 1 AS lines
        FROM invoice_days
        WHERE version > {since:UInt64}
    ) AS moved
    LEFT JOIN
    (
        SELECT toString(project) AS project, groupUniqArray((toUInt32(day), toUInt32(last_day))) AS days
        FROM invoice_lines
        WHERE last_day > day
        GROUP BY project
    ) AS long ON long.project = moved.project
    GROUP BY project, day
) AS changed ON changed.project = days.project AND changed.day = days.day
ORDER BY project, day
