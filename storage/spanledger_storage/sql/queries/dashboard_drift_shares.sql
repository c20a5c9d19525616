-- What did one check of drift compare?
-- Parameters: project; day_s: unix seconds, start of the day; agent, agent_version, feature: as stored.
-- Columns: shares (JSON: share before and now of each action, or quantiles). At most one row.
-- Sort key used: (project, day, agent_name, agent_version, feature).
SELECT shares
FROM drift_checks FINAL
WHERE project = {project:String}
    AND day = toDate(toDateTime({day_s:Int64}, 'UTC'))
    AND agent_name = {agent:String}
    AND agent_version = {agent_version:String}
    AND feature = {feature:String}
LIMIT 1
