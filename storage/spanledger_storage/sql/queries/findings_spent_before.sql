-- What did traces of these sessions and users cost, each by itself?
-- Parameters: project; from_ns and to_ns: UTC nanoseconds, half open, of their starts; session_ids;
--   user_ids.
-- Result: one row per trace with a cost: start in UTC nanoseconds, spans (how many it has).
-- Relies on the sort key of traces (project, start hour, trace_id).
SELECT
    trace_id,
    session_id,
    user_id,
    toUnixTimestamp64Nano(start_time) AS start_ns,
    total_cost_usd AS cost_usd,
    span_count AS spans
FROM traces FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND start_time >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')
    AND start_time < fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
    AND (session_id IN {session_ids:Array(String)} OR user_id IN {user_ids:Array(String)})
    AND total_cost_usd IS NOT NULL
