-- What do these messages say, as text?
-- Parameters: project; hashes: 32 hex digits each; longest: characters of each.
-- Result: one row per message that is stored: digest (hex), said: the texts of its parts.
-- Relies on the sort key of messages (project, hash).
SELECT
    lower(hex(hash)) AS digest,
    any(
        substringUTF8(
            arrayStringConcat(
                arrayFilter(
                    text -> text != '',
                    arrayMap(
                        part -> JSONExtractString(part, 'content'),
                        JSONExtractArrayRaw(content, 'parts')
                    )
                ),
                '\n'
            ),
            1,
            {longest:UInt32}
        )
    ) AS said
FROM messages
PREWHERE project = {project:String}
    AND hash IN (SELECT toFixedString(unhex(arrayJoin({hashes:Array(String)})), 16))
GROUP BY hash
