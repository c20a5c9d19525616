-- How did tasks end, and what did those cost whose end was reported?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the start of a trajectory.
-- Columns: traces, failed_traces (at least one span failed), tasks (trajectories of one task id are
-- one task; without an id each is one), ended_tasks (with an outcome), completed_tasks,
-- ended_cost_usd (of what is priced, whatever the outcome). One row.
-- Sort key used: (project, toStartOfHour(start_time)).
SELECT
    sum(task.traces) AS traces,
    sum(task.failed_traces) AS failed_traces,
    count() AS tasks,
    countIf(task.outcome != '') AS ended_tasks,
    countIf(task.outcome = 'completed') AS completed_tasks,
    sumIf(task.cost_usd, task.outcome != '') AS ended_cost_usd
FROM
(
    SELECT
        if(task_id = '', trajectory_id, task_id) AS key,
        count() AS traces,
        countIf(error_count > 0) AS failed_traces,
        argMaxIf(trajectories.outcome, end_time, trajectories.outcome != '') AS outcome,
        sum(ifNull(total_cost_usd, 0)) AS cost_usd
    FROM trajectories FINAL
    WHERE project = {project:String}
        AND is_deleted = 0
        AND start_time >= toDateTime({from_s:Int64}, 'UTC')
        AND start_time < toDateTime({to_s:Int64}, 'UTC')
    GROUP BY key
) AS task
