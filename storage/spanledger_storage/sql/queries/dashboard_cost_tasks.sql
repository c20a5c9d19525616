-- How many tasks were there, how did they end and what did they cost, by up to two columns of
-- traces, over time?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the start; the second period is
-- the earlier one; also_from_s, also_to_s: a second period apart from it, 0 and 0: none; starts: of
-- the buckets, unix seconds, ascending; first, second: the columns that tell keys apart (project:
-- they do not); agent, service, environment, user, session, task: values of the first attempt that
-- are let through, empty: all; rank_by: the sum (one of the columns below) that decides which keys are named; top:
-- how many.
-- Columns: bucket_s (its start, unix), is_rest (1: all keys that are not named, together), first,
-- second (empty for the rest), rank (1: the largest), keys (how many there are, over all buckets),
-- then sums: tasks, ended_tasks (with an outcome), completed_tasks, ended_cost_usd (of those with
-- an outcome, whatever it is), unpriced_calls, calls_without_usage, total_cost_usd (what is
-- priced). One row per bucket and named key, and one per bucket for the rest; by rank, then bucket.
-- A task is the traces of one task id; without an id it is a trace with those that go on with it after
-- a pause. It counts where the first of them began; others of one id are looked for from a week before
-- the periods on. As in unit_economics_groups.
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
                task.of_first AS first,
                task.of_second AS second,
                count() AS tasks,
                countIf(task.ended != '') AS ended_tasks,
                countIf(task.ended = 'completed') AS completed_tasks,
                sumIf(task.cost, task.ended != '') AS ended_cost_usd,
                sum(task.unpriced) AS unpriced_calls,
                sum(task.unknown) AS calls_without_usage,
                sum(task.cost) AS total_cost_usd
            FROM
            (
                -- Most tasks are one trace that nothing is tied to: grouping these as well would take
                -- several times as long.
                SELECT
                    start_time AS started,
                    toString({first:Identifier}) AS of_first,
                    toString({second:Identifier}) AS of_second,
                    toString(trace.agent_name) AS of_agent,
                    toString(trace.service_name) AS of_service,
                    toString(trace.environment) AS of_stage,
                    trace.user_id AS of_user,
                    trace.session_id AS of_session,
                    trace.task_id AS of_task,
                    trace.outcome AS ended,
                    toUInt64(trace.unpriced_calls) AS unpriced,
                    toUInt64(trace.calls_without_usage) AS unknown,
                    toDecimal128(ifNull(trace.total_cost_usd, 0), 12) AS cost
                FROM traces AS trace FINAL
                WHERE project = {project:String}
                    AND is_deleted = 0
                    AND (
                        (start_time >= toDateTime({from_s:Int64}, 'UTC') AND start_time < toDateTime({to_s:Int64}, 'UTC'))
                        OR (start_time >= toDateTime({also_from_s:Int64}, 'UTC') AND start_time < toDateTime({also_to_s:Int64}, 'UTC'))
                    )
                    AND task_id = ''
                    AND began_in = ''
                    AND trace_id NOT IN
                        (
                            SELECT began_in
                            FROM traces
                            WHERE project = {project:String}
                                AND start_time >= toDateTime(if({also_to_s:Int64} = 0, {from_s:Int64}, {also_from_s:Int64}), 'UTC')
                                AND began_in != ''
                        )
                UNION ALL
                SELECT
                    min(start_time) AS started,
                    argMin(toString({first:Identifier}), (start_time, trace_id)) AS of_first,
                    argMin(toString({second:Identifier}), (start_time, trace_id)) AS of_second,
                    argMin(toString(trace.agent_name), (start_time, trace_id)) AS of_agent,
                    argMin(toString(trace.service_name), (start_time, trace_id)) AS of_service,
                    argMin(toString(trace.environment), (start_time, trace_id)) AS of_stage,
                    argMin(trace.user_id, (start_time, trace_id)) AS of_user,
                    argMin(trace.session_id, (start_time, trace_id)) AS of_session,
                    argMin(trace.task_id, (start_time, trace_id)) AS of_task,
                    argMaxIf(trace.outcome, end_time, trace.outcome != '') AS ended,
                    sum(trace.unpriced_calls) AS unpriced,
                    sum(trace.calls_without_usage) AS unknown,
                    sum(ifNull(trace.total_cost_usd, 0)) AS cost
                FROM traces AS trace FINAL
                WHERE project = {project:String}
                    AND is_deleted = 0
                    AND start_time >= toDateTime(if({also_to_s:Int64} = 0, {from_s:Int64}, {also_from_s:Int64}) - 604800, 'UTC')
                    AND (
                        task_id != ''
                        OR began_in != ''
                        OR trace_id IN
                        (
                            SELECT began_in
                            FROM traces
                            WHERE project = {project:String}
                                AND start_time >= toDateTime(if({also_to_s:Int64} = 0, {from_s:Int64}, {also_from_s:Int64}), 'UTC')
                                AND began_in != ''
                        )
                    )
                GROUP BY multiIf(task_id != '', task_id, began_in != '', began_in, trace_id)
                HAVING (
                        (started >= toDateTime({from_s:Int64}, 'UTC') AND started < toDateTime({to_s:Int64}, 'UTC'))
                        OR (started >= toDateTime({also_from_s:Int64}, 'UTC') AND started < toDateTime({also_to_s:Int64}, 'UTC'))
                    )
            ) AS task
            WHERE (empty({agent:Array(String)}) OR has({agent:Array(String)}, task.of_agent))
                AND (empty({service:Array(String)}) OR has({service:Array(String)}, task.of_service))
                AND (empty({environment:Array(String)}) OR has({environment:Array(String)}, task.of_stage))
                AND (empty({user:Array(String)}) OR has({user:Array(String)}, task.of_user))
                AND (empty({session:Array(String)}) OR has({session:Array(String)}, task.of_session))
                AND (empty({task:Array(String)}) OR has({task:Array(String)}, task.of_task))
            GROUP BY bucket_s, first, second
        ) AS cell
    ) AS weighed
) AS ranked
GROUP BY bucket_s, is_rest, first, second
ORDER BY is_rest, rank, bucket_s
