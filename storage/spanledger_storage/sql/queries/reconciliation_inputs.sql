-- How complete is the ledger of some days: how many of its calls have no price, or guessed tokens?
-- Parameters: project; from_s, to_s: unix seconds, half open, whole hours.
-- Columns: calls (of models; a metric's entry stands for as many as it says), unpriced_calls (usage
--   known, price not), calls_without_usage (answered, and telling no tokens), estimated_calls (whose
--   tokens the instrumentation guessed). One row.
-- Sort key used: ledger (project, toStartOfHour(time), ...).
WITH if(usage_source = 'metric', greatest(ifNull(attempts, 1), 1), 1) AS stands_for
SELECT
    toUInt64(sum(stands_for)) AS calls,
    toUInt64(sumIf(stands_for, usage_source != 'none' AND price_status = 'unpriced')) AS unpriced_calls,
    toUInt64(sumIf(stands_for, usage_source = 'none' AND status != 'error')) AS calls_without_usage,
    toUInt64(sumIf(stands_for, has(flags, 'estimated_usage'))) AS estimated_calls
FROM ledger_current
WHERE project = {project:String}
    AND toStartOfHour(time) >= toDateTime({from_s:Int64}, 'UTC')
    AND toStartOfHour(time) < toDateTime({to_s:Int64}, 'UTC')
    AND kind IN ('llm', 'embedding')
