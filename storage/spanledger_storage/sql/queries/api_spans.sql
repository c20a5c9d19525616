-- What are the spans of a trace, by start, from one place on?
-- Parameters: project; trace: its id; after_ns, after_id: the start (unix ns) and span to go on from,
-- below zero: from the first; page_rows.
-- Columns: as in spans; input_messages and output_messages are hashes in hex, events and links tuples.
-- One row per span.
-- Sort key used: (project, toStartOfHour(start_time), trace_id, start_time, span_id).
SELECT
    * EXCEPT (input_messages, output_messages),
    duration_ns,
    arrayMap(hash -> lower(hex(hash)), span.input_messages) AS input_messages,
    arrayMap(hash -> lower(hex(hash)), span.output_messages) AS output_messages,
    arrayMap(
        (time, name, attributes) -> CAST(
            (time, name, attributes),
            'Tuple(time DateTime64(9, \'UTC\'), name String, attributes Map(String, String))'
        ),
        span.`events.time`, span.`events.name`, span.`events.attributes`
    ) AS event_list,
    arrayMap(
        (trace_id, span_id, attributes) -> CAST(
            (trace_id, span_id, attributes),
            'Tuple(trace_id String, span_id String, attributes Map(String, String))'
        ),
        span.`links.trace_id`, span.`links.span_id`, span.`links.attributes`
    ) AS link_list
FROM spans AS span FINAL
WHERE project = {project:String}
    AND toStartOfHour(start_time) IN (
        SELECT hour FROM trace_hours WHERE project = {project:String} AND trace_id = {trace:String}
    )
    AND trace_id = {trace:String}
    AND (
        {after_ns:Int64} < 0
        OR (toUnixTimestamp64Nano(start_time), span_id) > ({after_ns:Int64}, {after_id:String})
    )
ORDER BY start_time, span_id
LIMIT {page_rows:UInt64}
