-- A set, not a sum: running twice for the same rows changes nothing.
CREATE MATERIALIZED VIEW trace_hours_feed TO trace_hours AS
SELECT project, trace_id, hour
FROM touches
