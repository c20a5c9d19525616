-- How did tasks end, and what did those cost whose end is known?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the start of tasks and traces;
-- silent_before_s: 0; dimension: empty.
-- Columns: traces, failed_traces (at least one span failed), tasks, ended_tasks (of whose end is
-- known, whatever it is), completed_tasks, ended_cost_usd (of what is priced, whatever the outcome).
-- One row. As in unit_economics_groups.
-- A task is the traces of one task id; without an id it is a trace with those that go on with it after
-- a pause. An attempt is a trace with those that go on with it. A task counts where its first attempt
-- began; attempts of one id are looked for from a week before the period on. Its state: completed,
-- failed (any other outcome), abandoned (as reported, or silent for long), empty: no outcome yet.
-- Sort key used: (project, toStartOfHour(start_time)).
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
FROM
(
    SELECT
        sipHash128(multiIf(trace.task_id != '', trace.task_id, trace.began_in != '', trace.began_in, trace.trace_id)) AS task_hash,
        any(multiIf(trace.task_id != '', trace.task_id, trace.began_in != '', trace.began_in, trace.trace_id)) AS task_key,
        min(trace.start_time) AS started,
        max(trace.end_time) AS last_end,
        uniqExact(sipHash128(if(trace.began_in != '', trace.began_in, trace.trace_id)) AS attempt) AS attempts,
        count() AS traces,
        argMaxIf(trace.outcome, trace.end_time, trace.outcome != '') AS outcome,
        multiIf(
            outcome = 'completed', 'completed',
            outcome = 'abandoned', 'abandoned',
            outcome != '', 'failed',
            last_end < toDateTime({silent_before_s:Int64}, 'UTC'), 'abandoned',
            ''
        ) AS state,
        argMaxIf(attempt, trace.end_time, trace.outcome = 'completed') AS own_attempt,
        arrayFilter(
            part -> part.1 = own_attempt,
            groupArray((
                attempt,
                trace.inference_cost_usd,
                trace.tool_cost_usd,
                trace.gpu_cost_usd,
                trace.infra_cost_usd,
                ifNull(trace.total_cost_usd, 0)
            ))
        ) AS own_parts,
        (
            arraySum(part -> part.2, own_parts),
            arraySum(part -> part.3, own_parts),
            arraySum(part -> part.4, own_parts),
            arraySum(part -> part.5, own_parts),
            arraySum(part -> part.6, own_parts)
        ) AS own,
        sum(trace.inference_cost_usd) AS inference,
        sum(trace.tool_cost_usd) AS tools,
        sum(trace.gpu_cost_usd) AS gpu,
        sum(trace.infra_cost_usd) AS infra,
        sum(ifNull(trace.total_cost_usd, 0)) AS cost,
        sum(trace.unpriced_calls) AS unpriced,
        sum(trace.calls_without_usage) AS unknown,
        argMin(toString(trace.agent_name), (trace.start_time, trace.trace_id)) AS agent_name,
        argMin(toString(trace.agent_version), (trace.start_time, trace.trace_id)) AS agent_version,
        argMin(toString(trace.workflow_name), (trace.start_time, trace.trace_id)) AS workflow_name,
        argMin(toString(trace.environment), (trace.start_time, trace.trace_id)) AS environment,
        argMin(trace.user_id, (trace.start_time, trace.trace_id)) AS user_id,
        argMin(trace.dimensions[{dimension:String}], (trace.start_time, trace.trace_id)) AS owner,
        argMax(toString(trace.main_model), (trace.inference_cost_usd, trace.trace_id)) AS model,
        concat(argMin(toString(trace.name), (trace.start_time, trace.trace_id)), ' · ', model) AS route,
        argMax(trace.trace_id, trace.end_time) AS last_trace,
        argMax(trace.trace_id, ifNull(trace.total_cost_usd, 0)) AS dearest_trace,
        groupArray(trace.trace_id) AS trace_ids,
        {project:String} AS project
    FROM traces AS trace FINAL
    WHERE trace.project = {project:String}
        AND trace.is_deleted = 0
        AND trace.start_time >= toDateTime({from_s:Int64} - 604800, 'UTC')
        AND (
            (trace.start_time >= toDateTime({from_s:Int64}, 'UTC') AND trace.start_time < toDateTime({to_s:Int64}, 'UTC'))
            OR trace.began_in != ''
            OR (
                -- Equal hashes of different ids only let a task through that HAVING drops.
                trace.task_id != ''
                AND sipHash64(trace.task_id) IN
                (
                    SELECT sipHash64(task_id)
                    FROM traces
                    WHERE traces.project = {project:String}
                        AND start_time >= toDateTime({from_s:Int64}, 'UTC')
                        AND start_time < toDateTime({to_s:Int64}, 'UTC')
                        AND task_id != ''
                )
            )
            OR trace.trace_id IN
            (
                SELECT began_in
                FROM traces
                WHERE traces.project = {project:String}
                    AND start_time >= toDateTime({from_s:Int64}, 'UTC')
                    AND began_in != ''
            )
        )
    GROUP BY task_hash
    HAVING started >= toDateTime({from_s:Int64}, 'UTC') AND started < toDateTime({to_s:Int64}, 'UTC')
) AS task
