-- The tasks that began between two times, one row each; what pages on tasks read. Parameters:
-- project; from_s, to_s: unix seconds, half open, of the start of tasks; silent_before_s: a task
-- without an outcome and without a span since then is abandoned (0: none is); dimension: name of
-- the one that tells owners.
-- A task is the traces of one task id; without an id it is a trace with those that go on with it
-- after a pause. An attempt is a trace with those that go on with it. A task counts where its first
-- attempt began; attempts of one id are looked for from a week before the period on. Its state:
-- completed, failed (any other outcome), abandoned (as reported, or silent for long), empty: no
-- outcome yet. own: dollars of the attempt that completed it: inference, tools, GPU, infra, all.
-- Most tasks are one trace that nothing is tied to: grouping these as well would take several times
-- as long.
CREATE OR REPLACE VIEW tasks_between AS
SELECT
    *,
    multiIf(
        outcome = 'completed', 'completed',
        outcome = 'abandoned', 'abandoned',
        outcome != '', 'failed',
        last_end < toDateTime({silent_before_s:Int64}, 'UTC'), 'abandoned',
        ''
    ) AS state,
    concat(name, ' · ', model) AS route,
    {project:String} AS project
FROM
(
    SELECT
        trace.trace_id AS task_key,
        trace.start_time AS started,
        trace.end_time AS last_end,
        toUInt64(1) AS attempts,
        toUInt64(1) AS traces,
        toString(trace.outcome) AS outcome,
        if(
            trace.outcome = 'completed',
            (
                trace.inference_cost_usd,
                trace.tool_cost_usd,
                trace.gpu_cost_usd,
                trace.infra_cost_usd,
                ifNull(trace.total_cost_usd, 0)
            ),
            (0, 0, 0, 0, 0)
        ) AS own,
        trace.inference_cost_usd AS inference,
        trace.tool_cost_usd AS tools,
        trace.gpu_cost_usd AS gpu,
        trace.infra_cost_usd AS infra,
        ifNull(trace.total_cost_usd, 0) AS cost,
        toUInt64(trace.unpriced_calls) AS unpriced,
        toUInt64(trace.calls_without_usage) AS unknown,
        toString(trace.agent_name) AS agent_name,
        toString(trace.agent_version) AS agent_version,
        toString(trace.workflow_name) AS workflow_name,
        toString(trace.environment) AS environment,
        trace.user_id AS user_id,
        trace.dimensions[{dimension:String}] AS owner,
        toString(trace.main_model) AS model,
        toString(trace.name) AS name,
        trace.trace_id AS last_trace,
        trace.trace_id AS dearest_trace,
        [trace.trace_id] AS trace_ids
    FROM traces AS trace FINAL
    WHERE trace.project = {project:String}
        AND trace.is_deleted = 0
        AND trace.start_time >= toDateTime({from_s:Int64}, 'UTC')
        AND trace.start_time < toDateTime({to_s:Int64}, 'UTC')
        AND trace.task_id = ''
        AND trace.began_in = ''
        AND trace.trace_id NOT IN
        (
            -- Also a task id may be that of a trace: of the first attempt.
            SELECT arrayJoin([began_in, task_id])
            FROM traces
            WHERE traces.project = {project:String}
                AND start_time >= toDateTime({from_s:Int64} - 604800, 'UTC')
                AND (began_in != '' OR length(task_id) = 32)
        )
    UNION ALL
    SELECT * EXCEPT (own_attempt, own_parts)
    FROM
    (
        SELECT
            multiIf(trace.task_id != '', trace.task_id, trace.began_in != '', trace.began_in, trace.trace_id) AS task_key,
            min(trace.start_time) AS started,
            max(trace.end_time) AS last_end,
            uniqExact(sipHash128(if(trace.began_in != '', trace.began_in, trace.trace_id)) AS attempt) AS attempts,
            count() AS traces,
            toString(argMaxIf(trace.outcome, trace.end_time, trace.outcome != '')) AS outcome,
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
            argMin(toString(trace.name), (trace.start_time, trace.trace_id)) AS name,
            argMax(trace.trace_id, trace.end_time) AS last_trace,
            argMax(trace.trace_id, ifNull(trace.total_cost_usd, 0)) AS dearest_trace,
            groupArray(trace.trace_id) AS trace_ids
        FROM
        (
            SELECT *
            FROM traces FINAL
            WHERE project = {project:String}
                AND is_deleted = 0
                AND start_time >= toDateTime({from_s:Int64} - 604800, 'UTC')
                -- Where no trace says so, which one pass over two empty columns tells, nothing is read.
                AND (
                    SELECT count() > 0
                    FROM traces
                    WHERE project = {project:String}
                        AND start_time >= toDateTime({from_s:Int64} - 604800, 'UTC')
                        AND (began_in != '' OR task_id != '')
                )
                AND (
                    began_in != ''
                    OR (
                        -- Equal hashes of different ids only let a task through that HAVING drops.
                        task_id != ''
                        AND sipHash64(task_id) IN
                        (
                            SELECT sipHash64(task_id)
                            FROM traces
                            WHERE project = {project:String}
                                AND start_time >= toDateTime({from_s:Int64}, 'UTC')
                                AND start_time < toDateTime({to_s:Int64}, 'UTC')
                                AND task_id != ''
                        )
                    )
                )
            UNION ALL
            SELECT *
            FROM traces FINAL
            WHERE project = {project:String}
                AND is_deleted = 0
                AND start_time >= toDateTime({from_s:Int64} - 604800, 'UTC')
                AND task_id = ''
                AND began_in = ''
                AND trace_id IN
                (
                    SELECT arrayJoin([began_in, task_id])
                    FROM traces
                    WHERE project = {project:String}
                        AND start_time >= toDateTime({from_s:Int64} - 604800, 'UTC')
                        AND (began_in != '' OR length(task_id) = 32)
                )
        ) AS trace
        GROUP BY task_key
        HAVING started >= toDateTime({from_s:Int64}, 'UTC') AND started < toDateTime({to_s:Int64}, 'UTC')
    )
)
