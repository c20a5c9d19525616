-- How many findings that ask for somebody came up in each of these clock hours?
-- Parameters: project; hours: UTC start hours, UNIX seconds.
-- Result: one row per hour with such findings: hour_s, alarms.
-- Relies on the sort key of findings, which begins with project.
SELECT
    toUnixTimestamp(toStartOfHour(detected_at)) AS hour_s,
    count() AS alarms
FROM findings FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND severity IN ('warning', 'critical')
    AND toStartOfHour(detected_at) IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
GROUP BY hour_s
