-- What was spent in each minute of a few hours?
-- Parameters: project; hours: their starts, unix seconds.
-- Columns: start_s (unix), cost_usd (of what is priced). One row per minute with calls.
-- Sort key used: (project, toStartOfHour(time)).
SELECT
    intDiv(toInt64(toUnixTimestamp(time)), 60) * 60 AS start_s,
    sum(ifNull(total_cost_usd, 0)) AS cost_usd
FROM ledger_current
WHERE project = {project:String}
    AND toStartOfHour(time) IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
GROUP BY start_s
ORDER BY start_s
