-- A set, not a sum: running twice for the same rows changes nothing.
CREATE MATERIALIZED VIEW response_traces_feed TO response_traces AS
SELECT DISTINCT project, response_id, trace_id
FROM spans
WHERE response_id != ''
