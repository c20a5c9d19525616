-- Which checks of data quality found an error?
-- Parameters: project; t: the time.
-- Columns: check, value (cases), usd (dollars at risk; NULL: unknown), headline. One row per check with
-- an error, of the last look, if that was within an hour.
-- Sort key used: quality_findings (project, check).
SELECT
    check,
    count AS value,
    amount_usd AS usd,
    title AS headline
FROM quality_findings FINAL
WHERE project = {project:String}
    AND severity = 'error'
    AND count > 0
    AND version >= toUnixTimestamp64Nano({t:DateTime64(9, 'UTC')} - toIntervalHour(1))
