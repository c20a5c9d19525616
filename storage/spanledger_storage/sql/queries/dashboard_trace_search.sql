-- Which traces say something, in a prompt, an answer, or a tool's arguments or result?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the spans' start; needle: the text
-- as it is, in any case; needle_json: the same inside a JSON string; at_most: traces;
-- timeout_s: seconds after which it is given up with an error.
-- Columns: trace_id. One row per trace, by its last span that matches, newest first.
-- Sort key used: (project, toStartOfHour(start_time)) of spans; days of messages: a message is kept
-- for each day on which a span with it arrived, so only the days these spans arrived on are read.
WITH
    (
        SELECT (toStartOfDay(min(ingested_at)), toStartOfDay(max(ingested_at)) + INTERVAL 1 DAY)
        FROM spans
        WHERE project = {project:String}
            AND toStartOfHour(start_time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
            AND start_time >= toDateTime({from_s:Int64}, 'UTC')
            AND start_time < toDateTime({to_s:Int64}, 'UTC')
    ) AS arrived,
    said AS (
        SELECT hash
        FROM messages
        WHERE project = {project:String}
            AND stored_at >= arrived.1
            AND stored_at < arrived.2
            AND positionCaseInsensitiveUTF8(content, {needle_json:String}) > 0
            -- Not where only the form of a message holds the text: its role, kinds and keys.
            AND positionCaseInsensitiveUTF8(
                replaceRegexpAll(content, '"(role|type)": ?"[a-z_]*"|"(parts|content|arguments|response|name|id)":', ''),
                {needle_json:String}
            ) > 0
    )
SELECT trace_id
FROM spans
WHERE project = {project:String}
    AND toStartOfHour(start_time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
    AND start_time >= toDateTime({from_s:Int64}, 'UTC')
    AND start_time < toDateTime({to_s:Int64}, 'UTC')
    AND (
        arrayExists(hash -> hash IN (SELECT hash FROM said), input_messages)
        OR arrayExists(hash -> hash IN (SELECT hash FROM said), output_messages)
        OR positionCaseInsensitiveUTF8(tool_arguments, {needle:String}) > 0
        OR positionCaseInsensitiveUTF8(tool_result, {needle:String}) > 0
        OR positionCaseInsensitiveUTF8(tool_arguments, {needle_json:String}) > 0
        OR positionCaseInsensitiveUTF8(tool_result, {needle_json:String}) > 0
    )
GROUP BY trace_id
ORDER BY max(start_time) DESC
LIMIT {at_most:UInt32}
SETTINGS max_execution_time = {timeout_s:UInt32}
