-- Whether did agents behave as before, by day and feature?
-- Parameters: project; from_s and to_s: unix seconds; days (UTC) that overlap them count.
-- Columns: day_s (unix, its start), agent_name, agent_version, feature, compared_with, verdict,
--   trajectories, reference_trajectories, actions, reference_actions, p_value, q_value, effect, psi
--   (NULL: not enough data, or none of its kind). One row per check.
-- Sort key used: (project, day).
SELECT
    toInt64(toUnixTimestamp(toDateTime(day, 'UTC'))) AS day_s,
    agent_name,
    agent_version,
    feature,
    compared_with,
    verdict,
    trajectories,
    reference_trajectories,
    actions,
    reference_actions,
    p_value,
    q_value,
    effect,
    psi
FROM drift_checks FINAL
WHERE project = {project:String}
    AND day >= toDate(toDateTime({from_s:Int64}, 'UTC'))
    AND day < toDateTime({to_s:Int64}, 'UTC')
ORDER BY day_s, agent_name, agent_version, feature
