-- Which metric series carry the id of a session or user, and when have they points?
-- Parameters: project; ids: the id and its hashes; keys: regular expression (RE2) of the attribute
--   keys that name a session or a user.
-- Result: one row per series: series_id, hours (UTC start hours, UNIX seconds).
-- Relies on sort keys that begin with project; reads the attributes of the whole project.
SELECT series_id, groupUniqArray(toUnixTimestamp(toStartOfHour(time))) AS hours
FROM metric_points
WHERE project = {project:String}
    AND (hasAny(mapValues(attributes), {ids:Array(String)})
        OR hasAny(mapValues(resource_attributes), {ids:Array(String)}))
    AND arrayExists(
        (k, v) -> has({ids:Array(String)}, v) AND match(k, {keys:String}),
        arrayConcat(mapKeys(attributes), mapKeys(resource_attributes)),
        arrayConcat(mapValues(attributes), mapValues(resource_attributes))
    )
GROUP BY series_id
ORDER BY series_id
