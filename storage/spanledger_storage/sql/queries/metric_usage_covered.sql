-- For which models of these services and sessions does the ledger hold calls that spans or logs
-- told of?
-- Parameters: project; from_hour, to_hour (UTC start hours, UNIX seconds, both included);
--   services: names; sessions: ids that matter.
-- Result: distinct hour (UTC start hour, UNIX seconds), service_name, model, request_model,
--   session_id ('' unless it is one of sessions), is_other_session (it names one that is not).
-- Relies on the sort key of ledger (project, hour, ...).
SELECT DISTINCT
    toUnixTimestamp(toStartOfHour(time)) AS hour,
    service_name,
    model,
    request_model,
    if(entry.session_id IN {sessions:Array(String)}, entry.session_id, '') AS session_id,
    entry.session_id != '' AND entry.session_id NOT IN {sessions:Array(String)} AS is_other_session
FROM ledger AS entry FINAL
WHERE project = {project:String}
    AND toStartOfHour(time) >= toDateTime({from_hour:Int64}, 'UTC')
    AND toStartOfHour(time) <= toDateTime({to_hour:Int64}, 'UTC')
    AND is_deleted = 0
    AND kind IN ('llm', 'embedding')
    AND usage_source != 'metric'
    AND (
        service_name IN {services:Array(String)}
        OR entry.session_id IN {sessions:Array(String)}
    )
