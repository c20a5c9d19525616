-- How often do these traces refer to which messages, and when was the last of their spans received?
-- Parameters: project; trace_ids.
-- Result: one row per message: hash (hex), uses, newest (UNIX seconds).
-- Relies on the sort key of spans and its index of trace ids.
SELECT lower(hex(referred)) AS hash, count() AS uses, max(received_s) AS newest
FROM
(
    SELECT
        arrayJoin(arrayConcat(input_messages, output_messages)) AS referred,
        toUnixTimestamp(ingested_at) AS received_s
    FROM spans
    WHERE project = {project:String} AND trace_id IN {trace_ids:Array(String)}
)
GROUP BY referred
