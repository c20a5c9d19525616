-- What do the messages say that the spans of a trace refer to, by hash, from one place on?
-- Parameters: project; trace: its id; after_id: the hash (hex) to go on from, empty: from the first;
-- page_rows.
-- Columns: hash (hex), role, content (canonical JSON). One row per distinct message that is stored.
-- Sort keys used: spans (project, toStartOfHour(start_time), trace_id), messages (project, hash).
SELECT
    lower(hex(message.hash)) AS hash,
    role,
    content
FROM messages AS message
WHERE project = {project:String}
    AND message.hash IN (
        SELECT arrayJoin(arrayConcat(input_messages, output_messages))
        FROM spans FINAL
        WHERE project = {project:String}
            AND toStartOfHour(start_time) IN (
                SELECT hour
                FROM trace_hours
                WHERE project = {project:String} AND trace_id = {trace:String}
            )
            AND trace_id = {trace:String}
    )
    AND ({after_id:String} = '' OR hex(message.hash) > upper({after_id:String}))
ORDER BY message.hash
LIMIT 1 BY message.hash
LIMIT {page_rows:UInt64}
