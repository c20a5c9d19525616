-- How many tasks were there, how did they end and what did they cost, by up to two columns of
-- trajectories, over time?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the start; the second period is
-- the earlier one; also_from_s, also_to_s: a second period apart from it, 0 and 0: none; starts: of
-- the buckets, unix seconds, ascending; first, second: the columns that tell keys apart (project:
-- they do not); agent, service, environment, user, session, task: values that are let through,
-- empty: all; rank_by: the sum (one of the columns below) that decides which keys are named; top:
-- how many.
-- Columns: bucket_s (its start, unix), is_rest (1: all keys that are not named, together), first,
-- second (empty for the rest), rank (1: the largest), keys (how many there are, over all buckets),
-- then sums: tasks, ended_tasks (with an outcome), completed_tasks, ended_cost_usd (of those with
-- an outcome, whatever it is), unpriced_calls, calls_without_usage, total_cost_usd (what is
-- priced). One row per bucket and named key, and one per bucket for the rest; by rank, then bucket.
-- Trajectories of one task id are one task, which counts where the first of them began; without an
-- id each is one. As in dashboard_tasks.
-- Sort key used: (project, toStartOfHour(start_time)).
SELECT
    bucket_s,
    key_rank > {top:UInt32} AS is_rest,
    if(is_rest, '', ranked.first) AS first,
    if(is_rest, '', ranked.second) AS second,
    min(key_rank) AS rank,
    max(key_count) AS keys,
    sum(ranked.tasks) AS tasks,
    sum(ranked.ended_tasks) AS ended_tasks,
    sum(ranked.completed_tasks) AS completed_tasks,
    sum(ranked.ended_cost_usd) AS ended_cost_usd,
    sum(ranked.unpriced_calls) AS unpriced_calls,
    sum(ranked.calls_without_usage) AS calls_without_usage,
    sum(ranked.total_cost_usd) AS total_cost_usd
FROM
(
    SELECT
        *,
        dense_rank() OVER (ORDER BY weight DESC, weighed.first, weighed.second) AS key_rank,
        max(key_number) OVER () AS key_count
    FROM
    (
        SELECT
            *,
            dense_rank() OVER (ORDER BY cell.first, cell.second) AS key_number,
            sum(multiIf(
                {rank_by:String} = 'tasks', toDecimal128(cell.tasks, 12),
                {rank_by:String} = 'completed_tasks', toDecimal128(cell.completed_tasks, 12),
                {rank_by:String} = 'total_cost_usd', toDecimal128(cell.total_cost_usd, 12),
                toDecimal128(0, 12)
            )) OVER (PARTITION BY cell.first, cell.second) AS weight
        FROM
        (
            SELECT
                roundDown(toUInt32(toUnixTimestamp(started)), {starts:Array(UInt32)}) AS bucket_s,
                task.first AS first,
                task.second AS second,
                count() AS tasks,
                countIf(task.outcome != '') AS ended_tasks,
                countIf(task.outcome = 'completed') AS completed_tasks,
                sumIf(task.total_cost_usd, task.outcome != '') AS ended_cost_usd,
                sum(task.unpriced_calls) AS unpriced_calls,
                sum(task.calls_without_usage) AS calls_without_usage,
                sum(task.total_cost_usd) AS total_cost_usd
            FROM
            (
                SELECT
                    if(task_id = '', trajectory_id, task_id) AS key,
                    start_time < toDateTime({also_to_s:Int64}, 'UTC') AS is_also,
                    min(start_time) AS started,
                    argMin(toString({first:Identifier}), start_time) AS first,
                    argMin(toString({second:Identifier}), start_time) AS second,
                    argMaxIf(trajectories.outcome, end_time, trajectories.outcome != '') AS outcome,
                    sum(trajectories.unpriced_calls) AS unpriced_calls,
                    sum(trajectories.calls_without_usage) AS calls_without_usage,
                    sum(ifNull(trajectories.total_cost_usd, 0)) AS total_cost_usd
                FROM trajectories FINAL
                WHERE project = {project:String}
                    AND is_deleted = 0
                    AND (
                        (start_time >= toDateTime({from_s:Int64}, 'UTC') AND start_time < toDateTime({to_s:Int64}, 'UTC'))
                        OR (start_time >= toDateTime({also_from_s:Int64}, 'UTC') AND start_time < toDateTime({also_to_s:Int64}, 'UTC'))
                    )
                    AND (empty({agent:Array(String)}) OR has({agent:Array(String)}, agent_name))
                    AND (empty({service:Array(String)}) OR has({service:Array(String)}, service_name))
                    AND (empty({environment:Array(String)}) OR has({environment:Array(String)}, environment))
                    AND (empty({user:Array(String)}) OR has({user:Array(String)}, user_id))
                    AND (empty({session:Array(String)}) OR has({session:Array(String)}, session_id))
                    AND (empty({task:Array(String)}) OR has({task:Array(String)}, task_id))
                GROUP BY key, is_also
            ) AS task
            GROUP BY bucket_s, first, second
        ) AS cell
    ) AS weighed
) AS ranked
GROUP BY bucket_s, is_rest, first, second
ORDER BY is_rest, rank, bucket_s
