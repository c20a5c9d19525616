-- Why did a model stop?
-- Parameters: project; model; from_s, to_s: unix seconds, half open.
-- Columns: reason (empty: not told), calls (spans of calls, each once). One row per reason, most
-- first. A call that several instrumentations saw is counted by each.
-- Sort key used: (project, toStartOfHour(start_time)).
SELECT
    finish_reason AS reason,
    uniqExact(cityHash64(trace_id, span_id)) AS calls
FROM spans
PREWHERE role = 'llm' AND if(response_model = '', request_model, response_model) = {model:String}
WHERE project = {project:String}
    AND start_time >= toDateTime({from_s:Int64}, 'UTC')
    AND start_time < toDateTime({to_s:Int64}, 'UTC')
GROUP BY reason
ORDER BY calls DESC, reason
LIMIT 50
