-- Write trajectories anew whose cost is not the sum of their traces.
-- Parameters: project; first_hour, last_hour (UTC hours, UNIX seconds, both inclusive) in which the
--   trajectories start; last_entry_hour: the newest hour in which one of them ends; version: newer
--   than any that a running worker has read.
-- Result: none.
-- Relies on the sort keys of trajectories and traces (project, start hour, ...).
INSERT INTO trajectories
SELECT
    t.* REPLACE (
        s.cost AS total_cost_usd,
        s.unpriced AS unpriced_calls,
        greatest({version:UInt64}, t.version + 1) AS version
    )
FROM
(
    SELECT *
    FROM trajectories FINAL
    WHERE project = {project:String}
        AND toStartOfHour(start_time) >= toDateTime({first_hour:UInt32}, 'UTC')
        AND toStartOfHour(start_time) <= toDateTime({last_hour:UInt32}, 'UTC')
        AND is_deleted = 0
) AS t
INNER JOIN
(
    SELECT
        m.trajectory_id AS trajectory_id,
        sum(r.total_cost_usd) AS cost,
        toUInt32(sum(r.unpriced_calls)) AS unpriced
    FROM
    (
        SELECT trace_id, total_cost_usd, unpriced_calls
        FROM traces FINAL
        WHERE project = {project:String}
            AND toStartOfHour(start_time) >= toDateTime({first_hour:UInt32}, 'UTC')
            AND toStartOfHour(start_time) <= toDateTime({last_entry_hour:UInt32}, 'UTC')
            AND is_deleted = 0
    ) AS r
    INNER JOIN
    (
        SELECT trajectory_id, arrayJoin(trace_ids) AS trace_id
        FROM trajectories FINAL
        WHERE project = {project:String}
            AND toStartOfHour(start_time) >= toDateTime({first_hour:UInt32}, 'UTC')
            AND toStartOfHour(start_time) <= toDateTime({last_hour:UInt32}, 'UTC')
            AND is_deleted = 0
    ) AS m ON r.trace_id = m.trace_id
    GROUP BY m.trajectory_id
) AS s ON t.trajectory_id = s.trajectory_id
WHERE (t.total_cost_usd IS NULL) != (s.cost IS NULL)
    OR ifNull(t.total_cost_usd != s.cost, 0)
    OR t.unpriced_calls != s.unpriced
SETTINGS max_partitions_per_insert_block = 0
