-- Which dimensions do entries of a period name, and what do those cost?
-- Parameters: project; from_s, to_s: unix seconds, half open; page_size: rows, the dearest first.
-- Columns: dimension, total_cost_usd (what is priced). One row per dimension.
-- Sort key used: (project, toStartOfHour(time)).
SELECT
    pair.1 AS dimension,
    sum(ifNull(entry.total_cost_usd, 0)) AS total_cost_usd
FROM ledger_current AS entry
ARRAY JOIN CAST(dimensions, 'Array(Tuple(String, String))') AS pair
WHERE project = {project:String}
    AND time >= toDateTime({from_s:Int64}, 'UTC')
    AND time < toDateTime({to_s:Int64}, 'UTC')
    AND pair.2 != ''
GROUP BY dimension
ORDER BY total_cost_usd DESC, dimension
LIMIT {page_size:UInt32}
SETTINGS do_not_merge_across_partitions_select_final = 1
