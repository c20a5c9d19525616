-- blocking: yes
-- What the table before held; a set, so running it again changes nothing.
INSERT INTO response_traces
SELECT DISTINCT project, toStartOfHour(start_time) AS hour, cityHash64(response_id) AS id_hash, trace_id
FROM spans
WHERE response_id != ''
SETTINGS max_partitions_per_insert_block = 0
