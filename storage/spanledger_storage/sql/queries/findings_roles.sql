-- Who said these messages?
-- Parameters: project; hashes: 32 hex digits each.
-- Result: one row per message that is stored: digest (hex), role.
-- Relies on the sort key of messages (project, hash).
SELECT lower(hex(hash)) AS digest, any(role) AS role
FROM messages
PREWHERE project = {project:String}
    AND hash IN (SELECT toFixedString(unhex(arrayJoin({hashes:Array(String)})), 16))
GROUP BY hash
