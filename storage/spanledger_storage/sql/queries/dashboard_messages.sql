-- What do these messages say?
-- Parameters: project; hashes: 32 hex digits each.
-- Columns: hash (hex), role, content (canonical JSON). One row per message that is stored.
-- Sort key used: (project, hash).
SELECT
    lower(hex(messages.hash)) AS hash,
    role,
    content
FROM messages
WHERE project = {project:String}
    AND messages.hash IN (SELECT toFixedString(unhex(arrayJoin({hashes:Array(String)})), 16))
LIMIT 1 BY messages.hash
