-- In how many traces of each agent and day did a tool fail without a word of it?
-- Parameters: project; from_s and to_s: UTC seconds, half open.
-- Result: one row per UTC day and outermost agent, by day and agent: closed traces; of them, with a
--   silent failure, with one that is sure, and with one that is more than suspected, of which up to
--   20 are examples; what the failed calls cost, each turn once (NULL: unknown).
-- Relies on the sort keys of traces and findings (project, start hour, ...).
SELECT
    toDate(start_time) AS day,
    agent_name AS agent,
    count() AS traces,
    countIf(silent.trace_id != '') AS silent,
    countIf(silent.is_certain = 1) AS certain,
    countIf(silent.is_failed = 1) AS failed,
    arraySort(groupArrayIf(20)(silent.trace_id, silent.is_failed = 1)) AS examples,
    sum(silent.usd) AS direct_usd
FROM
(
    SELECT trace_id, agent_name, start_time
    FROM traces FINAL
    WHERE project = {project:String}
        AND is_deleted = 0
        AND status = 'closed'
        AND start_time >= toDateTime({from_s:Int64}, 'UTC')
        AND start_time < toDateTime({to_s:Int64}, 'UTC')
) AS traces
LEFT JOIN
(
    SELECT trace_id, max(is_sure) AS is_certain, max(code = 'failed') AS is_failed,
        sum(findings.direct_usd - toDecimal128OrZero(
            JSONExtractString(findings.details, 'of_other_tools_usd'), 12
        )) AS usd
    FROM findings FINAL
    WHERE project = {project:String}
        AND is_deleted = 0
        AND kind = 'silent_failure'
        AND first_seen >= toDateTime({from_s:Int64}, 'UTC')
    GROUP BY trace_id
) AS silent USING (trace_id)
GROUP BY day, agent
ORDER BY day, agent
