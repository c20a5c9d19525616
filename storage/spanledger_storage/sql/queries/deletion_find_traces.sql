-- Which traces does a session or user have?
-- Parameters: project; kind: session or user; ids: the id and its hashes; keys:
--   regular expression (RE2) of the attribute keys that name a session or a user.
-- Result: trace_id; one row per trace in which any span, log record, ledger entry or trace
--   carries the id, in its column or in an attribute of such a key, its events' and links' too; and
--   per trace of which nothing is left but a trajectory that carries it.
-- Relies on sort keys that begin with project; reads the ids and attributes of the whole project.
SELECT DISTINCT trace_id
FROM
(
    SELECT trace_id
    FROM spans
    WHERE project = {project:String}
        AND (
            ({kind:String} = 'user' AND user_id IN {ids:Array(String)})
            OR ({kind:String} = 'session' AND session_id IN {ids:Array(String)})
            OR (
                (hasAny(mapValues(attributes), {ids:Array(String)})
                    OR hasAny(mapValues(resource_attributes), {ids:Array(String)}))
                AND arrayExists(
                    (k, v) -> has({ids:Array(String)}, v) AND match(k, {keys:String}),
                    arrayConcat(mapKeys(attributes), mapKeys(resource_attributes)),
                    arrayConcat(mapValues(attributes), mapValues(resource_attributes))
                )
            )
            OR arrayExists(
                said -> hasAny(mapValues(said), {ids:Array(String)})
                    AND arrayExists(
                        (k, v) -> has({ids:Array(String)}, v) AND match(k, {keys:String}),
                        mapKeys(said),
                        mapValues(said)
                    ),
                arrayConcat(events.attributes, links.attributes)
            )
        )
    UNION ALL
    SELECT trace_id
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
    UNION ALL
    SELECT trace_id
    FROM ledger
    WHERE project = {project:String}
        AND (
            ({kind:String} = 'user' AND user_id IN {ids:Array(String)})
            OR ({kind:String} = 'session' AND session_id IN {ids:Array(String)})
        )
    UNION ALL
    SELECT trace_id
    FROM traces
    WHERE project = {project:String}
        AND (
            ({kind:String} = 'user' AND user_id IN {ids:Array(String)})
            OR ({kind:String} = 'session' AND session_id IN {ids:Array(String)})
        )
    UNION ALL
    SELECT arrayJoin(trace_ids) AS trace_id
    FROM trajectories
    WHERE project = {project:String}
        AND (
            ({kind:String} = 'user' AND user_id IN {ids:Array(String)})
            OR ({kind:String} = 'session' AND session_id IN {ids:Array(String)})
        )
        -- The others of a trajectory may be somebody else's.
        AND trace_id NOT IN (SELECT trace_id FROM traces WHERE project = {project:String})
)
WHERE trace_id != ''
ORDER BY trace_id
