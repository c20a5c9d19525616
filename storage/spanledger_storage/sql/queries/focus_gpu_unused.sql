-- What did GPU time cost, day by day, that no entry of the ledger pays for?
-- Parameters: project; from_s, to_s: unix seconds, half open, starts of UTC days.
-- Columns: day, line (idle, warm_up, overhead), total_cost_usd.
-- Time of calls that a price per token pays for (line priced) is not in it: the ledger has it.
-- Sort key used: (project, toStartOfHour(start)).
SELECT toDate(start) AS day, line, sum(cost_usd) AS total_cost_usd
FROM gpu_attribution FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND start >= toDateTime({from_s:Int64}, 'UTC')
    AND start < toDateTime({to_s:Int64}, 'UTC')
    AND line IN ('idle', 'warm_up', 'overhead')
GROUP BY day, line
ORDER BY day, line
