-- Which traces does a session or user have?
-- Parameters: project; kind: session or user; id; keys: regular expression (RE2) of the attribute
--   keys that name a session or a user.
-- Result: trace_id; one row per trace in which any span, log record, ledger entry or trajectory
--   carries the id, in its column or in an attribute of such a key.
-- Relies on sort keys that begin with project; reads the ids and attributes of the whole project.
SELECT DISTINCT trace_id
FROM
(
    SELECT trace_id
    FROM spans
    WHERE project = {project:String}
        AND (
            ({kind:String} = 'user' AND user_id = {id:String})
            OR ({kind:String} = 'session' AND session_id = {id:String})
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
    UNION ALL
    SELECT trace_id
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
    UNION ALL
    SELECT trace_id
    FROM ledger
    WHERE project = {project:String}
        AND (
            ({kind:String} = 'user' AND user_id = {id:String})
            OR ({kind:String} = 'session' AND session_id = {id:String})
        )
    UNION ALL
    SELECT trajectory_id
    FROM trajectories
    WHERE project = {project:String}
        AND (
            ({kind:String} = 'user' AND user_id = {id:String})
            OR ({kind:String} = 'session' AND session_id = {id:String})
        )
)
WHERE trace_id != ''
ORDER BY trace_id
