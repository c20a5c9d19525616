-- Which adjustments to what providers billed does the ledger hold?
-- Parameters: project; from_s, to_s: unix seconds, half open, whole hours; provider: empty: all.
-- Result: one row per entry that holds, as in ledger_stored_entries.
-- Sort key used: ledger (project, toStartOfHour(time), ...).
SELECT
    * EXCEPT (time, is_deleted),
    toUnixTimestamp64Nano(time) AS time_ns
FROM ledger FINAL
WHERE project = {project:String}
    AND toStartOfHour(time) >= toDateTime({from_s:Int64}, 'UTC')
    AND toStartOfHour(time) < toDateTime({to_s:Int64}, 'UTC')
    AND kind = 'adjustment'
    AND startsWith(price_id, 'reconciliation:')
    AND ({provider:String} = '' OR provider = {provider:String})
    AND is_deleted = 0
