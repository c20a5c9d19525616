-- Which instrumentations and services told of some calls?
-- Parameters: project; trace_ids: of the calls; from_s, to_s: unix seconds, half open, of their days.
-- Columns: scope (name@version), service_name, calls (model spans). One row per both, the most first.
-- Sort key used: spans (project, toStartOfHour(start_time), trace_id, ...).
SELECT
    if(scope_version = '', toString(scope_name), concat(scope_name, '@', scope_version)) AS scope,
    toString(service_name) AS service_name,
    uniqExact(trace_id, span_id) AS calls
FROM spans
WHERE project = {project:String}
    AND toStartOfHour(start_time) >= toDateTime({from_s:Int64} - 3600, 'UTC')
    AND toStartOfHour(start_time) < toDateTime({to_s:Int64} + 3600, 'UTC')
    AND trace_id IN {trace_ids:Array(String)}
    AND role IN ('llm', 'embedding')
GROUP BY scope, service_name
ORDER BY calls DESC, scope, service_name
