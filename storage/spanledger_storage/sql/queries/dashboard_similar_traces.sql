-- Which other traces of the same name ran around the time of one?
-- Parameters: project; trace_id: the one itself, left out; name; from_s, to_s: unix seconds, half
-- open, of the start; around_ms: unix, the start of the one itself.
-- Columns: trace_id, start_ms (unix), duration_ns, error_count, total_cost_usd (NULL: nothing
-- priced). The eight nearest in time, newest first.
-- Sort key used: (project, toStartOfHour(start_time)).
SELECT *
FROM (
    SELECT
        trace_id,
        toUnixTimestamp64Milli(toDateTime64(start_time, 3, 'UTC')) AS start_ms,
        duration_ns,
        error_count,
        total_cost_usd
    FROM traces FINAL
    WHERE project = {project:String}
        AND is_deleted = 0
        AND toStartOfHour(start_time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
        AND start_time < toDateTime({to_s:Int64}, 'UTC')
        AND name = {name:String}
        AND trace_id != {trace_id:String}
    ORDER BY abs(start_ms - {around_ms:Int64}), trace_id
    LIMIT 8
)
ORDER BY start_ms DESC, trace_id
