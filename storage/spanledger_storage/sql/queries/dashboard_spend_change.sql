-- Whose spend changed most against the period before?
-- Parameters: project; entity: the column of ledger that tells them apart; from_s, current_s: unix
-- seconds, half open, what is over of the period shown; before_s: where the period before begins;
-- the same stretch is taken of it; page_size: rows.
-- Columns: name, complete_usd, before_usd. One row per name whose spend changed, largest change first.
-- Sort key used: (project, toStartOfHour(time)).
SELECT
    {entity:Identifier} AS name,
    sumIf(ifNull(total_cost_usd, 0), time >= toDateTime({from_s:Int64}, 'UTC')) AS complete_usd,
    sumIf(ifNull(total_cost_usd, 0), time < toDateTime({from_s:Int64}, 'UTC')) AS before_usd
FROM ledger_current
WHERE project = {project:String}
    AND (
        (time >= toDateTime({from_s:Int64}, 'UTC') AND time < toDateTime({current_s:Int64}, 'UTC'))
        OR (
            time >= toDateTime({before_s:Int64}, 'UTC')
            AND time < toDateTime({before_s:Int64} + {current_s:Int64} - {from_s:Int64}, 'UTC')
        )
    )
    AND name != ''
GROUP BY name
HAVING complete_usd != before_usd
ORDER BY abs(complete_usd - before_usd) DESC, name
LIMIT {page_size:UInt32}
