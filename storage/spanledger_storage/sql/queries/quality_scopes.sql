-- What do the spans of certain instrumentations look like, where no call tells of it?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the span's start; scopes:
--   instrumentation scopes, by exact name or what it begins with before a dot, dash or space.
-- Columns: service_name, scope_name, scope_version, zero_failures (failed calls reported with 0
--   tokens), zero_costs (calls with tokens reported to cost 0), blind_traces (traces in which
--   nobody reports a model call), and up to five examples of each (trace_id, span_id):
--   zero_failure_examples, zero_cost_examples, blind_examples. One row per service and scope.
-- Sort key used: (project, toStartOfHour(start_time)).
WITH
    role IN ('llm', 'embedding', 'server') AS is_call,
    is_call AND status = 'error' AND input_tokens = 0 AND ifNull(output_tokens, 0) = 0 AS is_zero_failure,
    is_call AND reported_cost_usd = 0 AND (input_tokens > 0 OR output_tokens > 0) AS is_zero_cost,
    trace_id NOT IN
    (
        SELECT trace_id
        FROM spans
        WHERE project = {project:String}
            -- Times of 32 bits turn over at either end.
            AND start_time >= toDateTime(greatest({from_s:Int64} - 7200, 0), 'UTC')
            AND start_time < toDateTime(least({to_s:Int64} + 7200, 4294967295), 'UTC')
            AND (role IN ('llm', 'embedding', 'server') OR input_tokens IS NOT NULL)
    ) AS is_blind
SELECT
    service_name,
    scope_name,
    scope_version,
    countIf(ifNull(is_zero_failure, 0)) AS zero_failures,
    countIf(ifNull(is_zero_cost, 0)) AS zero_costs,
    uniqExactIf(trace_id, is_blind) AS blind_traces,
    groupArrayIf(5)((trace_id, span_id), ifNull(is_zero_failure, 0)) AS zero_failure_examples,
    groupArrayIf(5)((trace_id, span_id), ifNull(is_zero_cost, 0)) AS zero_cost_examples,
    groupUniqArrayIf(5)((trace_id, ''), is_blind) AS blind_examples
FROM spans FINAL
WHERE project = {project:String}
    AND start_time >= toDateTime({from_s:Int64}, 'UTC')
    AND start_time < toDateTime({to_s:Int64}, 'UTC')
    AND arrayExists(
        known -> scope_name = known OR (startsWith(scope_name, known) AND substring(scope_name, length(known) + 1, 1) IN ('.', '-', ' ')),
        {scopes:Array(String)}
    )
GROUP BY service_name, scope_name, scope_version
HAVING zero_failures > 0 OR zero_costs > 0 OR blind_traces > 0
ORDER BY service_name, scope_name, scope_version
LIMIT 10000
