-- Which days' money changed, and when last? Tombstones count too.
-- Parameters: project; from_s, to_s: unix seconds, half open, starts of UTC days.
-- Columns: day, version (the newest of any row of that day). One row per day with rows.
-- Sort key used: (project, toStartOfHour(time)) and (project, toStartOfHour(start)).
SELECT day, max(version) AS version
FROM
(
    SELECT toDate(time) AS day, max(version) AS version
    FROM ledger
    WHERE project = {project:String}
        AND time >= toDateTime({from_s:Int64}, 'UTC')
        AND time < toDateTime({to_s:Int64}, 'UTC')
    GROUP BY day
    UNION ALL
    SELECT toDate(start) AS day, max(version) AS version
    FROM gpu_attribution
    WHERE project = {project:String}
        AND start >= toDateTime({from_s:Int64}, 'UTC')
        AND start < toDateTime({to_s:Int64}, 'UTC')
    GROUP BY day
)
GROUP BY day
ORDER BY day
