-- What did some users cost in another period of whole hours?
-- Parameters: as in dashboard_spend_before: project, entity, names, within, name, from_s, to_s; entity
-- and within are columns of usage_by_user, times lie on hours.
-- Columns and rows: those of dashboard_spend_before.
-- Sort key used: (project, hour).
SELECT
    {entity:Identifier} AS called,
    sum(total_cost_usd) AS cost_usd
FROM usage_by_user FINAL
WHERE project = {project:String}
    AND hour >= toDateTime({from_s:Int64}, 'UTC')
    AND hour < toDateTime({to_s:Int64}, 'UTC')
    AND {within:Identifier} = {name:String}
    AND called IN {names:Array(String)}
    AND is_deleted = 0
GROUP BY called
