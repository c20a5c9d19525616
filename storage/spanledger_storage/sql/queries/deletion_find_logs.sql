-- Which log records carry the id of a session or user?
-- Parameters: project; kind: session or user; id; keys: regular expression (RE2) of the attribute
--   keys that name a session or a user.
-- Result: log_id; one row per record.
-- Relies on sort keys that begin with project; reads the attributes of the whole project.
SELECT DISTINCT log_id
FROM logs
WHERE project = {project:String}
    AND (
        ({kind:String} = 'session' AND session_id = {id:String})
        OR (
            (has(mapValues(attributes), {id:String})
                OR has(mapValues(resource_attributes), {id:String}))
            AND arrayExists(
                (k, v) -> v = {id:String} AND match(k, {keys:String}),
                arrayConcat(mapKeys(attributes), mapKeys(resource_attributes)),
                arrayConcat(mapValues(attributes), mapValues(resource_attributes))
            )
        )
    )
ORDER BY log_id
