-- What did these calls send, as hashes?
-- Parameters: project; hours (UTC start hours, UNIX seconds), trace_ids and span_ids, three lists
--   of one length: triple i is a span and the hour in which its call began, or one beside it.
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
PREWHERE project = {project:String} AND trace_id IN {trace_ids:Array(String)}
WHERE toStartOfHour(start_time) IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
    AND (trace_id, span_id) IN (
        SELECT pair.1, pair.2
        FROM (
            SELECT arrayJoin(arrayZip({trace_ids:Array(String)}, {span_ids:Array(String)})) AS pair
        )
    )
ORDER BY version
