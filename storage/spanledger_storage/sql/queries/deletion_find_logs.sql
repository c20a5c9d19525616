-- Which log records carry the id of a session or user?
-- Parameters: project; kind: session or user; ids: the id and its hashes; keys:
--   regular expression (RE2) of the attribute keys that name a session or a user.
-- Result: log_id; one row per record.
-- Relies on sort keys that begin with project; reads the attributes of the whole project.
SELECT DISTINCT log_id
FROM logs
WHERE project = {project:String}
    AND (
        ({kind:String} = 'session' AND session_id IN {ids:Array(String)})
        OR (
            (hasAny(mapValues(attributes), {ids:Array(String)})
                OR hasAny(mapValues(resource_attributes), {ids:Array(String)}))
            AND arrayExists(
                (k, v) -> has({ids:Array(String)}, v) AND match(k, {keys:String}),
                arrayConcat(mapKeys(attributes), mapKeys(resource_attributes)),
                arrayConcat(mapValues(attributes), mapValues(resource_attributes))
            )
        )
    )
ORDER BY log_id
