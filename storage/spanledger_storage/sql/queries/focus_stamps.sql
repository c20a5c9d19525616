-- Of which rows is each day's money made?
-- Parameters: project; from_s, to_s: unix seconds, half open, starts of UTC days.
-- Columns: day, stamp (text; another one when a row came, went or changed, whatever was merged
-- meanwhile). One row per day with rows that hold.
-- Sort key used: (project, toStartOfHour(time)) and (project, toStartOfHour(start)).
SELECT day, concat(toString(sum(entries)), '-', hex(groupBitXor(hash))) AS stamp
FROM
(
    SELECT
        toDate(time) AS day,
        count() AS entries,
        groupBitXor(cityHash64(entry_id, version)) AS hash
    FROM ledger FINAL
    WHERE project = {project:String}
        AND is_deleted = 0
        AND time >= toDateTime({from_s:Int64}, 'UTC')
        AND time < toDateTime({to_s:Int64}, 'UTC')
    GROUP BY day
    UNION ALL
    SELECT
        toDate(start) AS day,
        count() AS entries,
        groupBitXor(cityHash64(gpu, mig, start, line, version)) AS hash
    FROM gpu_attribution FINAL
    WHERE project = {project:String}
        AND is_deleted = 0
        AND start >= toDateTime({from_s:Int64}, 'UTC')
        AND start < toDateTime({to_s:Int64}, 'UTC')
    GROUP BY day
)
GROUP BY day
ORDER BY day
