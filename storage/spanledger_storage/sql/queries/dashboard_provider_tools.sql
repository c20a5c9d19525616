-- What did the searches cost that providers ran on their side?
-- Parameters: project; from_s, to_s: unix seconds, half open.
-- Columns: provider, model, calls (model calls that searched), searches, fees_usd (NULL: unknown;
-- fees per request are in it). One row per provider and model, dearest first.
-- Sort key used: (project, toStartOfHour(time)).
SELECT
    provider,
    model,
    count() AS calls,
    sum(ifNull(web_searches, 0)) AS searches,
    sum(fees_cost_usd) AS fees_usd
FROM ledger_current
WHERE project = {project:String}
    AND time >= toDateTime({from_s:Int64}, 'UTC')
    AND time < toDateTime({to_s:Int64}, 'UTC')
    AND web_searches > 0
GROUP BY provider, model
ORDER BY fees_usd DESC, searches DESC, provider, model
LIMIT 100
