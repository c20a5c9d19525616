-- What did GPU time cost that no entry of the ledger pays for: idle, warming up, overhead?
-- Parameters: project; from_s, to_s: unix seconds, half open; starts: of the stretches in which the
-- same rules hold, unix seconds, ascending.
-- Columns: since_s (start of the stretch, unix), total_cost_usd. One row per stretch with such costs.
-- Time of calls that a price per token pays for (line priced) is not in it: the ledger has it.
-- Sort key used: (project, toStartOfHour(start)).
SELECT
    roundDown(toUnixTimestamp(start), {starts:Array(UInt32)}) AS since_s,
    sum(cost_usd) AS total_cost_usd
FROM gpu_attribution FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND start >= toDateTime({from_s:Int64}, 'UTC')
    AND start < toDateTime({to_s:Int64}, 'UTC')
    AND line IN ('idle', 'warm_up', 'overhead')
GROUP BY since_s
ORDER BY since_s
