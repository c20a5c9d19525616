-- Which hours of some projects were touched lately, and into which hour do their spans reach?
-- Parameters: projects; services (of infrastructure with a price); since_us (UTC microseconds).
-- Result: project, hour, last_hour (UTC start hours, UNIX seconds; at most a day later). What the
--   jobs themselves touched is left out.
-- Relies on the sort keys of touches (touched_at, ...) and spans (project, start hour, ...).
WITH touched AS
(
    SELECT DISTINCT project, hour
    FROM touches
    WHERE touched_at >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
        AND project IN {projects:Array(String)}
        AND spans > 0
)
SELECT
    spans.project AS project,
    toUnixTimestamp(toStartOfHour(start_time)) AS hour,
    least(toUnixTimestamp(toStartOfHour(max(end_time))), hour + 86400) AS last_hour
FROM spans
PREWHERE service_name IN {services:Array(String)}
WHERE project IN {projects:Array(String)}
    AND (project, toStartOfHour(start_time)) IN (SELECT project, hour FROM touched)
GROUP BY project, hour
ORDER BY project, hour
