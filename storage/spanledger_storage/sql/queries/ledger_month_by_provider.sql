-- What does the ledger say calls of each provider cost in some days?
-- Parameters: project; from_s, to_s: unix seconds, half open, whole hours.
-- Columns: provider, total_usd (of what is priced). One row per provider; adjustments are left out.
-- Sort key used: ledger (project, toStartOfHour(time), ...).
SELECT
    toString(ledger_current.provider) AS provider,
    sum(ifNull(total_cost_usd, 0)) AS total_usd
FROM ledger_current
WHERE project = {project:String}
    AND toStartOfHour(time) >= toDateTime({from_s:Int64}, 'UTC')
    AND toStartOfHour(time) < toDateTime({to_s:Int64}, 'UTC')
    AND kind != 'adjustment'
GROUP BY provider
ORDER BY provider
SETTINGS do_not_merge_across_partitions_select_final = 1
