-- What is the newest version of hourly usage of a project?
-- Parameters: project.
-- Result: one row: newest (0: no usage).
-- Relies on sort keys that begin with project.
SELECT max(version) AS newest
FROM usage_hourly
WHERE project = {project:String}
