-- Which users' spend changed most against the period before, where times lie on hours?
-- Parameters: as in dashboard_spend_change, but for entity, which is the user: project, from_s,
-- current_s, before_s, page_size; times lie on hours.
-- Columns and rows: those of dashboard_spend_change.
-- Sort key used: (project, hour).
SELECT
    user_id AS name,
    sumIf(total_cost_usd, hour >= toDateTime({from_s:Int64}, 'UTC')) AS complete_usd,
    sumIf(total_cost_usd, hour < toDateTime({from_s:Int64}, 'UTC')) AS before_usd
FROM usage_by_user FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND (
        (hour >= toDateTime({from_s:Int64}, 'UTC') AND hour < toDateTime({current_s:Int64}, 'UTC'))
        OR (
            hour >= toDateTime({before_s:Int64}, 'UTC')
            AND hour < toDateTime({before_s:Int64} + {current_s:Int64} - {from_s:Int64}, 'UTC')
        )
    )
    AND name != ''
GROUP BY name
HAVING complete_usd != before_usd
ORDER BY abs(complete_usd - before_usd) DESC, name
LIMIT {page_size:UInt32}
