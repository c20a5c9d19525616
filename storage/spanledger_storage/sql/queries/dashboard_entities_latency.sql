-- How long did the calls of each user … take?
-- Parameters: project; entity: the column of ledger that tells them apart; within, name: only
-- entries whose column "within" holds "name" (project and the project: all of them); text: part of
-- what they are called, empty: any; from_s, to_s: unix seconds, half open.
-- Columns: called; latency_p50_ns, latency_p95_ns, latency_p99_ns: as in dashboard_entities. One row
-- per name with entries.
-- Sort key used: (project, toStartOfHour(time)).
WITH
    kind IN ('llm', 'embedding') AND duration_ns > 0 AND usage_source NOT IN ('metric', 'aggregate') AS is_timed,
    arrayMap(
        q -> if(isNaN(q), NULL, toInt64(round(q))),
        quantilesExactInclusiveIf(0.5, 0.95, 0.99)(duration_ns, is_timed)
    ) AS latency
SELECT
    {entity:Identifier} AS called,
    latency[1] AS latency_p50_ns,
    latency[2] AS latency_p95_ns,
    latency[3] AS latency_p99_ns
FROM ledger_current
WHERE project = {project:String}
    AND time >= toDateTime({from_s:Int64}, 'UTC')
    AND time < toDateTime({to_s:Int64}, 'UTC')
    AND {within:Identifier} = {name:String}
    AND ({text:String} = '' OR positionCaseInsensitiveUTF8({entity:Identifier}, {text:String}) > 0)
GROUP BY called
