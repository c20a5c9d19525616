-- Who is at work now?
-- Parameters: project; from_s: unix seconds, traces that started since; active_s: unix
-- seconds, those of them with a span that ended since.
-- Columns: sessions (0: none reported), traces, agents. One row.
-- Sort key used: (project, toStartOfHour(start_time)).
SELECT
    uniqExactIf(session_id, session_id != '') AS sessions,
    count() AS traces,
    uniqExactIf(agent_name, agent_name != '') AS agents
FROM traces FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND start_time >= toDateTime({from_s:Int64}, 'UTC')
    AND end_time >= toDateTime({active_s:Int64}, 'UTC')
