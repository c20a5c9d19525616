-- How much work is there now, and how fast is it done?
-- Parameters: project; from_s, to_s: unix seconds, half open: the window in which calls ended;
-- calls_from_s: calls that began earlier are not looked for; active_s: who did something since is
-- active; traces_from_s, trajectories_from_s: what began earlier is not looked for; silent_s: a
-- trajectory that did not end and is silent since is abandoned; samples_from_s, now_s: the newest sample
-- of an inference worker lies between them; agents, models: only these, empty: the busiest; at_most: of
-- each.
-- Columns: part (total agent model), name; of model calls that ended in the window (not those that only
-- metrics tell of: an hour of them is one entry): calls, failed_calls, unpriced_calls, input_tokens, output_tokens, p50_ns, p95_ns (interpolated; NULL: none tells its
-- duration), cost_usd (with tools); active_sessions, active_traces, open_trajectories (open or waiting);
-- requests_running, requests_waiting (in inference workers; NULL: none tells). NULL where a part is not
-- known by that. One row per part and name.
-- Sort keys used: (project, start hour) of ledger, traces, trajectories and inference_samples.
SELECT
    part,
    name,
    max(calls) AS calls,
    max(failed_calls) AS failed_calls,
    max(unpriced_calls) AS unpriced_calls,
    max(input_tokens) AS input_tokens,
    max(output_tokens) AS output_tokens,
    max(p50_ns) AS p50_ns,
    max(p95_ns) AS p95_ns,
    max(cost_usd) AS cost_usd,
    max(active_sessions) AS active_sessions,
    max(active_traces) AS active_traces,
    max(open_trajectories) AS open_trajectories,
    max(requests_running) AS requests_running,
    max(requests_waiting) AS requests_waiting
FROM
(
    SELECT
        multiIf(grouping(agent_name) = 0, 'agent', grouping(model) = 0, 'model', 'total') AS part,
        multiIf(part = 'agent', toString(agent_name), part = 'model', toString(model), '') AS name,
        toNullable(countIf(kind != 'tool')) AS calls,
        toNullable(countIf(kind != 'tool' AND status = 'error')) AS failed_calls,
        toNullable(countIf(price_status = 'unpriced' AND usage_source != 'none')) AS unpriced_calls,
        toNullable(sumIf(ifNull(entry.input_tokens, 0), kind != 'tool')) AS input_tokens,
        toNullable(sumIf(ifNull(entry.output_tokens, 0), kind != 'tool')) AS output_tokens,
        if(
            isNaN(quantileExactInclusiveIf(0.5)(toFloat64(duration_ns), is_timed) AS p50),
            NULL,
            p50
        ) AS p50_ns,
        if(
            isNaN(quantileExactInclusiveIf(0.95)(toFloat64(duration_ns), is_timed) AS p95),
            NULL,
            p95
        ) AS p95_ns,
        toNullable(sum(ifNull(total_cost_usd, 0))) AS cost_usd,
        NULL AS active_sessions,
        NULL AS active_traces,
        NULL AS open_trajectories,
        NULL AS requests_running,
        NULL AS requests_waiting
    FROM
    (
        SELECT
            *,
            kind != 'tool' AND duration_ns > 0 AND usage_source != 'aggregate' AS is_timed
        FROM ledger_current
        WHERE project = {project:String}
            AND time >= toDateTime({calls_from_s:Int64}, 'UTC')
            AND time < toDateTime({to_s:Int64}, 'UTC')
            AND kind IN ('llm', 'embedding', 'tool')
            AND usage_source != 'metric'
    ) AS entry
    WHERE toInt128(toUnixTimestamp64Nano(time)) + duration_ns >= {from_s:Int64} * toInt128(1000000000)
        AND toInt128(toUnixTimestamp64Nano(time)) + duration_ns < {to_s:Int64} * toInt128(1000000000)
    GROUP BY GROUPING SETS ((agent_name), (model), ())
    UNION ALL
    SELECT
        if(grouping(agent_name) = 0, 'agent', 'total') AS part,
        if(part = 'agent', toString(agent_name), '') AS name,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        toNullable(uniqExactIf(session_id, session_id != '')),
        toNullable(count()),
        NULL, NULL, NULL
    FROM traces FINAL
    WHERE project = {project:String}
        AND is_deleted = 0
        AND start_time >= toDateTime({traces_from_s:Int64}, 'UTC')
        AND end_time >= toDateTime({active_s:Int64}, 'UTC')
    GROUP BY GROUPING SETS ((agent_name), ())
    UNION ALL
    SELECT
        if(grouping(agent_name) = 0, 'agent', 'total') AS part,
        if(part = 'agent', toString(agent_name), '') AS name,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        toNullable(count()),
        NULL, NULL
    FROM trajectories FINAL
    WHERE project = {project:String}
        AND is_deleted = 0
        AND start_time >= toDateTime({trajectories_from_s:Int64}, 'UTC')
        AND end_time >= toDateTime({silent_s:Int64}, 'UTC')
        AND status IN ('open', 'waiting')
    GROUP BY GROUPING SETS ((agent_name), ())
    UNION ALL
    SELECT
        if(grouping(model) = 0, 'model', 'total') AS part,
        if(part = 'model', toString(model), '') AS name,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        sum(running),
        sum(waiting)
    FROM
    (
        SELECT
            model,
            argMax(requests_running, time) AS running,
            argMax(requests_waiting, time) AS waiting
        FROM inference_samples FINAL
        WHERE project = {project:String}
            AND time >= toDateTime({samples_from_s:Int64}, 'UTC')
            AND time <= toDateTime({now_s:Int64}, 'UTC')
        GROUP BY worker, model, rank
    )
    GROUP BY GROUPING SETS ((model), ())
)
WHERE part = 'total'
    OR part = 'agent' AND if(empty({agents:Array(String)}), name != '', has({agents:Array(String)}, name))
    OR part = 'model' AND if(empty({models:Array(String)}), name != '', has({models:Array(String)}, name))
GROUP BY part, name
ORDER BY part, input_tokens + output_tokens DESC NULLS LAST, active_traces DESC NULLS LAST, name
LIMIT {at_most:UInt32} BY part
