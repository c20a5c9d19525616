-- What do some segments of prompts say?
-- Parameters: project; hashes: 32 hex digits each; longest: characters to return of each.
-- Result: one row per stored message: hash (hex), role, content (JSON, cut off), size (characters).
-- Relies on the sort key of messages (project, hash).
SELECT
    lower(hex(hash)) AS digest,
    role,
    substringUTF8(content, 1, {longest:UInt32}) AS said,
    lengthUTF8(content) AS size
FROM messages
WHERE project = {project:String}
    AND hash IN (SELECT toFixedString(unhex(arrayJoin({hashes:Array(String)})), 16))
ORDER BY stored_at DESC
LIMIT 1 BY hash
