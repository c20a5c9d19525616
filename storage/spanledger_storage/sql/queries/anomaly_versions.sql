-- Which versions of agents began in a time?
-- Parameters: project; from_s, to_s: UNIX seconds, half open; before_s: how far back versions
--   count as known (UNIX seconds).
-- Result: one row per service, agent and version that was not there before: since_s (UNIX seconds) and
--   how many traces it has; of agents that had traces before. The newest first, at most 20.
-- Relies on the sort key of traces (project, start hour, ...).
SELECT
    toString(service_name) AS service,
    toString(agent_name) AS agent,
    toString(agent_version) AS version,
    toInt64(toUnixTimestamp(min(start_time))) AS since_s,
    count() AS traces
FROM traces FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND start_time >= toDateTime({before_s:Int64}, 'UTC')
    AND start_time < toDateTime({to_s:Int64}, 'UTC')
    AND agent_version != ''
    AND agent_name IN
    (
        SELECT agent_name
        FROM traces FINAL
        WHERE project = {project:String}
            AND is_deleted = 0
            AND start_time >= toDateTime({before_s:Int64}, 'UTC')
            AND start_time < toDateTime({from_s:Int64}, 'UTC')
    )
GROUP BY service, agent, version
HAVING since_s >= {from_s:Int64}
ORDER BY since_s DESC, service, agent, version
LIMIT 20
