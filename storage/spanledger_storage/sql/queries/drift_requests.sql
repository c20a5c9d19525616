-- What did the requests of agents do, on a day and on the days before it?
-- Parameters: project; from_s, day_s, to_s: unix seconds, half open: where the days before begin,
--   where the day begins and where it ends; most_trajectories: as many are taken of each agent,
--   version and side (all versions that did not work on the day together), those with the smallest
--   hash of their id; most_requests: of each of those.
-- Columns: agent_name, agent_version (of the outermost agent), is_now (1: of the day), day (days
--   since 1970), trajectory_id, trace_id, root_span_id, outcome, llm_calls, output_tokens, hand_offs
--   (texts "a → b": a call of one agent that follows one of another). One row per trace that ended,
--   of an agent that worked on the day; the traces of a trajectory stand together.
-- Sort keys used: traces (project, start hour, ...), trajectory_traces (project, ...).
WITH
today AS
(
    SELECT DISTINCT agent_name, agent_version
    FROM traces FINAL
    WHERE project = {project:String}
        AND toStartOfHour(start_time) >= toDateTime({day_s:Int64}, 'UTC')
        AND toStartOfHour(start_time) < toDateTime({to_s:Int64}, 'UTC')
        AND is_deleted = 0
        AND status = 'closed'
        AND agent_name != ''
),
asked AS
(
    SELECT
        agent_name,
        agent_version,
        start_time >= toDateTime({day_s:Int64}, 'UTC') AS is_now,
        toUInt32(intDiv(toUnixTimestamp(toDateTime(start_time, 'UTC')), 86400)) AS day,
        if(tied.trajectory_id = '', traces.trace_id, tied.trajectory_id) AS trajectory_id,
        traces.trace_id AS trace_id,
        root_span_id,
        outcome,
        llm_calls,
        output_tokens,
        arrayMap(
            pair -> concat(pair.1, ' → ', pair.2),
            arrayFilter(
                pair -> pair.1 != pair.2 AND pair.1 != '' AND pair.2 != '',
                arrayZip(arrayPopBack(call_lanes), arrayPopFront(call_lanes))
            )
        ) AS hand_offs
    FROM
    (
        SELECT *
        FROM traces FINAL
        WHERE project = {project:String}
            AND toStartOfHour(start_time) >= toDateTime({from_s:Int64}, 'UTC')
            AND toStartOfHour(start_time) < toDateTime({to_s:Int64}, 'UTC')
            AND is_deleted = 0
            AND status = 'closed'
            AND agent_name IN (SELECT agent_name FROM today)
    ) AS traces
    LEFT JOIN
    (
        SELECT trace_id, trajectory_id
        FROM trajectory_traces FINAL
        WHERE project = {project:String}
            AND trace_hour >= toDateTime({from_s:Int64}, 'UTC')
            AND trace_hour < toDateTime({to_s:Int64}, 'UTC')
            AND is_deleted = 0
    ) AS tied ON tied.trace_id = traces.trace_id
)
SELECT
    toString(agent_name) AS agent_name,
    toString(agent_version) AS agent_version,
    toUInt8(is_now) AS is_now,
    day,
    trajectory_id,
    trace_id,
    root_span_id,
    toString(outcome) AS outcome,
    llm_calls,
    output_tokens,
    arraySlice(hand_offs, 1, 1000) AS hand_offs
FROM
(
    SELECT
        *,
        if((agent_name, agent_version) IN (SELECT agent_name, agent_version FROM today), agent_version, NULL) AS part,
        dense_rank() OVER (PARTITION BY agent_name, part, is_now ORDER BY cityHash64(trajectory_id), trajectory_id) AS place,
        row_number() OVER (PARTITION BY agent_name, agent_version, is_now, trajectory_id ORDER BY trace_id) AS number
    FROM asked
)
WHERE place <= {most_trajectories:UInt32} AND number <= {most_requests:UInt32}
ORDER BY agent_name, agent_version, is_now, place, trace_id
