-- Which other trajectories belong to this one: of the same session, or linked to it?
-- Parameters: project; session (empty: none); trace_ids: linked ones, and the trace itself; from_s,
-- to_s: unix seconds, half open, of the start; around_ms: unix, the start of the trace itself.
-- Columns: trace_id, name, start_ms (unix), duration_ns, status (open closed), error_count,
-- total_cost_usd (NULL: nothing priced), is_same_session. By start; the 60 nearest in time.
-- Sort key used: (project, toStartOfHour(start_time)).
SELECT *
FROM (
    SELECT
        trajectory_id AS trace_id,
        name,
        toUnixTimestamp64Milli(toDateTime64(start_time, 3, 'UTC')) AS start_ms,
        duration_ns,
        status,
        error_count,
        total_cost_usd,
        {session:String} != '' AND session_id = {session:String} AS is_same_session
    FROM trajectories FINAL
    WHERE project = {project:String}
        AND is_deleted = 0
        AND toStartOfHour(start_time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
        AND start_time < toDateTime({to_s:Int64}, 'UTC')
        AND (
            ({session:String} != '' AND session_id = {session:String})
            OR trajectory_id IN {trace_ids:Array(String)}
        )
    ORDER BY abs(start_ms - {around_ms:Int64}), trace_id
    LIMIT 60
)
ORDER BY start_ms, trace_id
