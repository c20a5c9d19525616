-- What did these calls send, as hashes?
-- Parameters: project.
-- Table: asked (hour UInt32, trace_id String, span_id String): spans and the hours in which their calls
--   began, and those beside, UTC start hours in UNIX seconds.
-- Result: one row per stored version of a span, the newest last: trace_id, span_id, segments (a hash
--   for each segment in order), parameters (settings of the request that a cache depends on).
-- Relies on the sort key of spans (project, start hour, trace_id, ...).
SELECT
    trace_id,
    span_id,
    input_messages AS segments,
    arrayStringConcat(
        [toString(reasoning_level), hints['tool_choice'], hints['output_type']], '|'
    ) AS parameters
FROM spans
PREWHERE project = {project:String}
    AND (toStartOfHour(start_time), trace_id, span_id) IN (
        SELECT toDateTime(hour, 'UTC'), trace_id, span_id FROM asked
    )
ORDER BY version
