-- In which hours does the hourly usage by user name a user, in whatever row?
-- Parameters: project; ids: the id and its hashes.
-- Result: hour (UTC, UNIX seconds); one row per hour.
-- Relies on sort keys that begin with project.
SELECT DISTINCT toUnixTimestamp(hour) AS hour
FROM usage_by_user
WHERE project = {project:String}
    AND user_id IN {ids:Array(String)}
ORDER BY hour
