-- What do these traces say of themselves, as far as findings need it?
-- Parameters: project.
-- Table: asked (hour UInt32, trace_id String): hours in which traces have spans, UTC start hours
--   in UNIX seconds.
-- Result: one row per trace that holds; times in UTC nanoseconds, human_times: start, end, start …
--   of waits for a person; cost in USD.
-- Relies on the sort key of traces (project, start hour, trace_id).
SELECT
    trace_id,
    root_span_id,
    status,
    outcome,
    session_id,
    user_id,
    agent_name,
    agent_version,
    toUnixTimestamp64Nano(start_time) AS start_ns,
    toUnixTimestamp64Nano(end_time) AS end_ns,
    total_cost_usd,
    human_times
FROM traces FINAL
PREWHERE project = {project:String}
    AND (toStartOfHour(start_time), trace_id) IN (SELECT toDateTime(hour, 'UTC'), trace_id FROM asked)
WHERE is_deleted = 0
