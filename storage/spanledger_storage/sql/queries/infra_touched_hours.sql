-- In which hours do traces of some projects use infrastructure that were touched lately, and into
-- which hour do spans of these hours reach?
-- Parameters: projects; services (of infrastructure with a price); since_us, until_us (UTC
--   microseconds, both inclusive).
-- Result: project, hour, last_hour (UTC start hours, UNIX seconds; at most a day later). All hours
--   of a trace, because a span may tell whom all of it is for. What the jobs themselves touched is
--   left out.
-- Relies on the sort keys of touches (touched_at, ...), trace_hours (project, trace, hour) and spans
--   (project, start hour, ...).
WITH touched AS
(
    SELECT DISTINCT project, trace_id, hour
    FROM touches
    WHERE touched_at >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
        AND touched_at <= fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
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
    AND (project, toStartOfHour(start_time)) IN
    (
        SELECT project, hour FROM touched
        UNION DISTINCT
        SELECT project, hour
        FROM trace_hours
        WHERE project IN {projects:Array(String)}
            AND (project, trace_id) IN (SELECT project, trace_id FROM touched)
    )
GROUP BY project, hour
ORDER BY project, hour
