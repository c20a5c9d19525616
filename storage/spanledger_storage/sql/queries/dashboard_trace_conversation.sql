-- In which spans of a trace does each message stand first, and what was answered where? An agent
-- sends its whole history with every call; this keeps it linear in what is new.
-- Parameters: project; trace_id; hours_s: unix seconds, from dashboard_trace_hours.
-- Columns: hash (hex), is_answer, places: up to four (start_ns, position, span_id), the earliest
-- spans that hold it; of an answer, its own span alone. A message that a call holds twice counts as
-- two. One row per distinct message, and one per answer.
-- Sort key used: (project, toStartOfHour(start_time), trace_id).
SELECT
    lower(hex(message)) AS hash,
    is_answer,
    groupArraySorted(4)((start_ns, position, span_id)) AS places
FROM (
    SELECT
        span_id,
        toUnixTimestamp64Nano(start_time) AS start_ns,
        message,
        position,
        position > length(input_messages) AS is_answer,
        -- An answer is always one of its own; an earlier copy of it in the same call is not it.
        if(is_answer, cityHash64(span_id, position), nth) AS copy
    FROM spans FINAL
    ARRAY JOIN
        arrayConcat(input_messages, output_messages) AS message,
        arrayEnumerate(arrayConcat(input_messages, output_messages)) AS position,
        arrayEnumerateUniq(arrayConcat(input_messages, output_messages)) AS nth
    WHERE project = {project:String}
        AND toStartOfHour(start_time) IN (
            SELECT toDateTime(arrayJoin({hours_s:Array(UInt32)}), 'UTC')
        )
        AND trace_id = {trace_id:String}
        AND role NOT IN ('embedding', 'tool')
)
GROUP BY message, is_answer, copy
ORDER BY places[1], hash
