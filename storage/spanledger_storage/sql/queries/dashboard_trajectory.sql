-- Which trajectory is a trace part of, and how is that going?
-- Parameters: project; trace_id; hours_s: unix seconds, from dashboard_trace_hours; now_s: unix;
-- abandoned_after_s: silent for longer than this, one that did not end is abandoned.
-- Columns: trajectory_id, trace_ids (by start), status (open waiting closed abandoned), waits_for,
-- active_ns, waiting_ns, waiting_human_ns, idle_ns, total_cost_usd (NULL: nothing priced).
-- No row while the jobs have not seen the trace yet.
-- Sort keys used: trajectory_traces (project, trace_id), trajectories (project, start hour, ...).
SELECT
    trajectory_id,
    trace_ids,
    if(
        trajectories.status IN ('open', 'waiting')
            AND end_time < toDateTime({now_s:Int64} - {abandoned_after_s:Int64}, 'UTC'),
        'abandoned',
        trajectories.status
    ) AS status,
    waits_for,
    active_ns,
    waiting_ns,
    waiting_human_ns,
    idle_ns,
    total_cost_usd
FROM trajectories FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND (toStartOfHour(start_time), trajectory_id) IN (
        SELECT trajectory_hour, trajectory_id
        FROM trajectory_traces FINAL
        WHERE project = {project:String} AND trace_id = {trace_id:String} AND is_deleted = 0
        UNION ALL
        SELECT toDateTime(arrayJoin({hours_s:Array(UInt32)}), 'UTC'), {trace_id:String}
    )
    AND has(trace_ids, {trace_id:String})
LIMIT 1
