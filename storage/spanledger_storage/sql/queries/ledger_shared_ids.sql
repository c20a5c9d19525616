-- Which of these response ids do several traces mention in these hours?
-- Parameters: project; hours (UTC start hours, UNIX seconds) to look in.
-- Table: asked (response_id String).
-- Result: one row per response id.
-- Relies on the sort key of response_traces (project, hour, id_hash, trace_id).
SELECT response_id
FROM asked
WHERE cityHash64(response_id) IN (
    SELECT id_hash
    FROM response_traces
    WHERE project = {project:String}
        AND hour IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
        AND id_hash IN (SELECT cityHash64(response_id) FROM asked)
    GROUP BY id_hash
    HAVING min(trace_id) != max(trace_id)
)
