-- Which costs of GPUs did deletions keep of an hour, without saying whose they were?
-- Parameters: project; hour (UTC start hour, UNIX seconds).
-- Result: one row per entry: time_ns (UTC), duration_ns, price_id, cost_usd.
-- Relies on the sort key of ledger (project, start hour, trace_id, entry_id).
SELECT
    toUnixTimestamp64Nano(time) AS time_ns,
    duration_ns,
    price_id,
    total_cost_usd AS cost_usd
FROM ledger FINAL
PREWHERE project = {project:String}
    AND toStartOfHour(time) = toDateTime({hour:Int64}, 'UTC')
WHERE is_deleted = 0
    AND kind = 'gpu'
    AND has(flags, 'deleted')
    AND total_cost_usd > 0
ORDER BY entry_id
