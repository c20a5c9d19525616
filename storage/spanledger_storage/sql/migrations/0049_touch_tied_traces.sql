-- Have the jobs look again at one trace of every key that several hold, so that trajectories across
-- the traces so far come to be. Running it again only makes the jobs look once more.
INSERT INTO touches (project, trace_id, hour, flush_id, spans)
SELECT project, tied.trace_id, min(trace_hours.hour), 'trajectories', 0
FROM
(
    SELECT DISTINCT project, trace_id
    FROM
    (
        SELECT project, min(trace_id) AS trace_id
        FROM trajectory_keys
        GROUP BY project, kind, key
        HAVING uniqExact(trajectory_keys.trace_id) <= 1000 AND (uniqExact(trajectory_keys.trace_id) > 1 OR kind IN ('link', 'explicit'))
    )
) AS tied
INNER JOIN trace_hours ON trace_hours.project = tied.project AND trace_hours.trace_id = tied.trace_id
GROUP BY project, tied.trace_id
