-- How often do all spans refer to these messages?
-- Parameters: project; hashes: hex.
-- Result: one row per message that a stored span refers to: hash (hex), uses.
-- Relies on sort keys that begin with project; reads the lists of messages of the whole project.
SELECT lower(hex(referred)) AS hash, count() AS uses
FROM
(
    SELECT arrayJoin(arrayConcat(input_messages, output_messages)) AS referred
    FROM spans
    WHERE project = {project:String}
)
WHERE referred IN (SELECT toFixedString(unhex(arrayJoin({hashes:Array(String)})), 16))
GROUP BY referred
