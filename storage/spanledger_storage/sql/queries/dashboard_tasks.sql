-- How did tasks end, and what did those cost whose end is known?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the start of tasks and traces;
-- silent_before_s: 0; dimension: empty.
-- Columns: traces, failed_traces (at least one span failed), tasks, ended_tasks (of whose end is
-- known, whatever it is), completed_tasks, ended_cost_usd (of what is priced, whatever the outcome).
-- One row. As in unit_economics_groups.
-- What a task is, and its state: in the view tasks_between.
-- Sort key used: (project, toStartOfHour(start_time)) of traces.
WITH
    (
        SELECT (count(), countIf(error_count > 0))
        FROM traces FINAL
        WHERE project = {project:String}
            AND is_deleted = 0
            AND start_time >= toDateTime({from_s:Int64}, 'UTC')
            AND start_time < toDateTime({to_s:Int64}, 'UTC')
    ) AS begun
SELECT
    begun.1 AS traces,
    begun.2 AS failed_traces,
    count() AS tasks,
    countIf(task.state != '') AS ended_tasks,
    countIf(task.state = 'completed') AS completed_tasks,
    sumIf(task.cost, task.state != '') AS ended_cost_usd
FROM tasks_between(
    project = {project:String},
    from_s = {from_s:Int64},
    to_s = {to_s:Int64},
    silent_before_s = {silent_before_s:Int64},
    dimension = {dimension:String}
) AS task
