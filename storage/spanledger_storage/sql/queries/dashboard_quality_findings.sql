-- What did the checks of data quality find when they last looked?
-- Parameters: project; since_s: unix seconds, what was looked at before then is left out.
-- Columns: check, severity, title, count, unit, amount_usd (NULL: unknown), amount_label, to_s (unix
-- seconds, end of the period that was looked at). One row per check that found something.
-- Sort key used: (project).
SELECT
    check,
    severity,
    title,
    count,
    unit,
    amount_usd,
    amount_label,
    toUnixTimestamp(to_time) AS to_s
FROM quality_findings FINAL
WHERE project = {project:String}
    AND to_time >= toDateTime({since_s:Int64}, 'UTC')
    AND count > 0
ORDER BY check
