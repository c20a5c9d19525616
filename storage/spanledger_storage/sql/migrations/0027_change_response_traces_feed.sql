-- A set, not a sum: running twice for the same rows changes nothing.
ALTER TABLE response_traces_feed MODIFY QUERY
SELECT DISTINCT project, toStartOfHour(start_time) AS hour, cityHash64(response_id) AS id_hash, trace_id
FROM spans
WHERE response_id != ''
