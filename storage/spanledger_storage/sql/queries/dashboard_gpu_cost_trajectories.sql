-- Which trajectories used most GPU dollars?
-- Parameters: project; from_s, to_s: unix seconds, half open; top: how many.
-- Columns: trajectory_id, trace_id (the one with most of them), agent_name, models, requests,
--   gpu_usd, other_usd (what the ledger says of these traces besides, NULL: nothing is priced),
--   first_s (unix). Dearest first.
-- Sort keys used: ledger (project, hour, ...), trajectory_traces (project, trace_id).
WITH
    used AS
    (
        SELECT
            trace_id,
            any(agent_name) AS agent_name,
            groupUniqArray(model) AS models,
            uniqExact(arrayElement(source_spans, 1)) AS requests,
            sum(total_cost_usd) AS usd,
            toUnixTimestamp(min(time)) AS first_s
        FROM ledger FINAL
        WHERE project = {project:String}
            AND toStartOfHour(time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
            AND time >= toDateTime({from_s:Int64}, 'UTC')
            AND time < toDateTime({to_s:Int64}, 'UTC')
            AND is_deleted = 0
            AND kind = 'gpu'
        GROUP BY trace_id
    ),
    joined AS
    (
        SELECT used.*, ifNull(nullIf(t.trajectory_id, ''), used.trace_id) AS trajectory_id
        FROM used
        LEFT JOIN
        (
            SELECT trace_id, trajectory_id
            FROM trajectory_traces FINAL
            WHERE project = {project:String} AND trace_id IN (SELECT trace_id FROM used) AND is_deleted = 0
        ) AS t ON t.trace_id = used.trace_id
    ),
    best AS
    (
        SELECT
            trajectory_id,
            argMax(joined.trace_id, usd) AS trace_id,
            groupArray(joined.trace_id) AS trace_ids,
            argMax(joined.agent_name, usd) AS agent_name,
            arraySort(arrayDistinct(arrayFlatten(groupArray(models)))) AS models,
            sum(requests) AS requests,
            sum(usd) AS gpu_usd,
            min(first_s) AS first_s
        FROM joined
        GROUP BY trajectory_id
        ORDER BY gpu_usd DESC, trajectory_id
        LIMIT {top:UInt32}
    )
SELECT
    best.trajectory_id AS trajectory_id,
    best.trace_id AS trace_id,
    best.agent_name AS agent_name,
    best.models AS models,
    best.requests AS requests,
    best.gpu_usd AS gpu_usd,
    other.usd AS other_usd,
    best.first_s AS first_s
FROM best
LEFT JOIN
(
    SELECT of_best.trajectory_id AS trajectory_id, sum(total_cost_usd) AS usd
    FROM ledger FINAL
    INNER JOIN (SELECT trajectory_id, arrayJoin(trace_ids) AS trace_id FROM best) AS of_best
        ON of_best.trace_id = ledger.trace_id
    WHERE ledger.project = {project:String}
        AND toStartOfHour(time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
        AND time >= toDateTime({from_s:Int64}, 'UTC')
        AND time < toDateTime({to_s:Int64}, 'UTC')
        AND is_deleted = 0
        AND kind != 'gpu'
    GROUP BY of_best.trajectory_id
) AS other ON other.trajectory_id = best.trajectory_id
ORDER BY gpu_usd DESC, trajectory_id
SETTINGS join_use_nulls = 1
