-- Is anything known of a trace in this project?
-- Parameters: project; trace: its id.
-- Columns: known (1). No row: nothing is.
-- Sort keys used: trace_hours (project, trace_id); the index on traces.trace_id.
SELECT 1 AS known
FROM
(
    SELECT trace_id FROM trace_hours WHERE project = {project:String} AND trace_id = {trace:String}
    UNION ALL
    SELECT trace_id
    FROM traces FINAL
    WHERE project = {project:String} AND trace_id = {trace:String} AND is_deleted = 0
)
LIMIT 1
