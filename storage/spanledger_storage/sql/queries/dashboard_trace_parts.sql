-- What is known of the traces of a trajectory?
-- Parameters: project; session (empty: none); trace_ids: its traces, and linked ones; around_ms:
-- unix, the start of the one that is looked at.
-- Columns: trace_id, name, start_ms (unix), duration_ns, status (open closed), error_count,
-- total_cost_usd (NULL: nothing priced), is_same_session. By start; the 60 nearest in time.
-- Sort keys used: traces (project, start hour, trace_id); the hours come from trajectory_traces and
-- trace_hours (project, trace_id, ...).
SELECT *
FROM (
    SELECT
        trace_id,
        name,
        toUnixTimestamp64Milli(toDateTime64(start_time, 3, 'UTC')) AS start_ms,
        duration_ns,
        status,
        error_count,
        total_cost_usd,
        {session:String} != '' AND session_id = {session:String} AS is_same_session
    FROM traces FINAL
    WHERE project = {project:String}
        AND is_deleted = 0
        AND trace_id IN {trace_ids:Array(String)}
        AND (toStartOfHour(start_time), trace_id) IN (
            SELECT trace_hour, trace_id
            FROM trajectory_traces
            WHERE project = {project:String} AND trace_id IN {trace_ids:Array(String)}
            UNION ALL
            SELECT hour, trace_id
            FROM trace_hours
            WHERE project = {project:String} AND trace_id IN {trace_ids:Array(String)}
        )
    ORDER BY abs(start_ms - {around_ms:Int64}), trace_id
    LIMIT 60
)
ORDER BY start_ms, trace_id
