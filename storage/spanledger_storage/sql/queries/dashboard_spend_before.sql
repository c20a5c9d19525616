-- What did some agents, models, users … cost in another period?
-- Parameters: project; entity: the column of ledger that tells them apart; names: of those; within,
-- name: only entries whose column "within" holds "name" (project and the project: all of them);
-- from_s, to_s: unix seconds, half open.
-- Columns: called, cost_usd (of what is priced). One row per name that had calls.
-- Sort key used: (project, toStartOfHour(time)).
SELECT
    {entity:Identifier} AS called,
    sum(ifNull(total_cost_usd, 0)) AS cost_usd
FROM ledger_current
WHERE project = {project:String}
    AND time >= toDateTime({from_s:Int64}, 'UTC')
    AND time < toDateTime({to_s:Int64}, 'UTC')
    AND {within:Identifier} = {name:String}
    AND called IN {names:Array(String)}
GROUP BY called
