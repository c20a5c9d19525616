-- Write trajectories anew whose cost is not the sum of their ledger entries.
-- Parameters: project; first_hour, last_hour (UTC hours, UNIX seconds, both inclusive) in which the
--   trajectories start; last_entry_hour: the newest hour in which one of them ends; version: newer
--   than any that a running worker has read.
-- Result: none; trajectories without any ledger entry are left as they are.
-- Relies on the sort keys of trajectories (project, start hour, ...) and ledger (project, start
-- hour, ...).
INSERT INTO trajectories
SELECT
    t.* REPLACE (
        l.cost AS total_cost_usd,
        l.unpriced AS unpriced_calls,
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
        trajectory_id,
        sum(total_cost_usd) AS cost,
        toUInt32(countIf(usage_source != 'none' AND price_status = 'unpriced')) AS unpriced
    FROM ledger FINAL
    WHERE project = {project:String}
        AND toStartOfHour(time) >= toDateTime({first_hour:UInt32}, 'UTC')
        AND toStartOfHour(time) <= toDateTime({last_entry_hour:UInt32}, 'UTC')
        AND is_deleted = 0
        AND trajectory_id IN
        (
            SELECT trajectory_id
            FROM trajectories
            WHERE project = {project:String}
                AND toStartOfHour(start_time) >= toDateTime({first_hour:UInt32}, 'UTC')
                AND toStartOfHour(start_time) <= toDateTime({last_hour:UInt32}, 'UTC')
        )
    GROUP BY trajectory_id
) AS l ON t.trajectory_id = l.trajectory_id
WHERE (t.total_cost_usd IS NULL) != (l.cost IS NULL)
    OR ifNull(t.total_cost_usd != l.cost, 0)
    OR t.unpriced_calls != l.unpriced
SETTINGS max_partitions_per_insert_block = 0
