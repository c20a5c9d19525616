-- How did attempts at tasks end, by class of task and the model they mainly used?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the start of tasks; page_size:
-- rows, those with most attempts first.
-- Columns: task_class, agent_name (one of the class), model, attempts, completed, failed (also
-- those without an outcome that another attempt followed), escalated, abandoned, unended (no
-- outcome, and nothing followed), unpriced_calls, cost_usd (what is priced), p50_ns, p95_ns (active
-- time), retry_models, retry_counts, retry_completed (models of the next attempt at the same task,
-- where there was one: how many, and how many of those completed it). One row per route.
-- A class is the dimension task_class, else agent and workflow (without one, the name of the trace).
-- A task is the traces of one task id; without an id it is a trace with those that go on with it
-- after a pause. An attempt is a trace with those that go on with it; its model is the one that cost
-- most. Attempts of one id are looked for from a week before the period on.
-- Sort key used: (project, toStartOfHour(start_time)).
SELECT
    attempt.3 AS task_class,
    any(attempt.4) AS agent_name,
    attempt.5 AS model,
    count() AS attempts,
    countIf(state = 'completed') AS completed,
    countIf(state = 'failed') AS failed,
    countIf(state = 'escalated') AS escalated,
    countIf(state = 'abandoned') AS abandoned,
    countIf(state = '') AS unended,
    sum(attempt.8) AS unpriced_calls,
    sum(attempt.7) AS cost_usd,
    quantile(0.5)(attempt.9) AS p50_ns,
    quantile(0.95)(attempt.9) AS p95_ns,
    sumMap(if(is_retried, [next.5], []), if(is_retried, [toUInt64(1)], [])) AS retries,
    sumMap(if(is_retried, [next.5], []), if(is_retried, [toUInt64(next.6 = 'completed')], [])) AS completions,
    retries.1 AS retry_models,
    retries.2 AS retry_counts,
    arrayMap(name -> completions.2[indexOf(completions.1, name)], retries.1) AS retry_completed
FROM
(
    SELECT
        task.attempts AS attempts,
        arrayJoin(arrayEnumerate(attempts)) AS place,
        attempts[place] AS attempt,
        attempts[place + 1] AS next,
        place < length(attempts) AS is_retried,
        multiIf(
            attempt.6 IN ('completed', 'escalated', 'abandoned'), attempt.6,
            attempt.6 != '' OR is_retried, 'failed',
            ''
        ) AS state
    FROM
    (
        SELECT
            trial.task_key AS task_key,
            arraySort(groupArray((begun, trial_id, task_class, agent_name, model, outcome, cost, unpriced, active_ns))) AS attempts
        FROM
        (
            SELECT
                if(trace.task_id != '', trace.task_id, trial_id) AS task_key,
                if(began_in != '', began_in, trace_id) AS trial_id,
                min(start_time) AS begun,
                argMin(trace.agent_name, start_time) AS agent_name,
                argMin(trace.workflow_name, start_time) AS workflow_name,
                argMin(trace.name, start_time) AS name,
                argMin(trace.dimensions['task_class'], start_time) AS told_class,
                if(
                    told_class != '', told_class,
                    arrayStringConcat(
                        arrayDistinct(arrayFilter(text -> text != '', [toString(agent_name), toString(if(workflow_name != '', workflow_name, name))])),
                        ' · '
                    )
                ) AS task_class,
                argMax(main_model, inference_cost_usd) AS model,
                argMaxIf(trace.outcome, end_time, trace.outcome != '') AS outcome,
                sum(ifNull(total_cost_usd, 0)) AS cost,
                sum(trace.unpriced_calls + trace.calls_without_usage) AS unpriced,
                sum(trace.active_ns) AS active_ns
            FROM traces AS trace FINAL
            WHERE project = {project:String}
                AND is_deleted = 0
                AND start_time >= toDateTime({from_s:Int64} - 604800, 'UTC')
                AND (start_time < toDateTime({to_s:Int64}, 'UTC') OR trace.task_id != '' OR began_in != '')
            GROUP BY task_key, trial_id
        ) AS trial
        GROUP BY task_key
        HAVING min(begun) >= toDateTime({from_s:Int64}, 'UTC') AND min(begun) < toDateTime({to_s:Int64}, 'UTC')
    ) AS task
)
WHERE model != ''
GROUP BY task_class, model
ORDER BY attempts DESC, task_class, model
LIMIT {page_size:UInt32}
SETTINGS do_not_merge_across_partitions_select_final = 1
