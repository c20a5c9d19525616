-- What was spent under each contract, and lately?
-- Parameters: from_s: unix seconds, calls from then on; recent_s: unix seconds, start of "lately".
-- Columns: contract_id, calls, consumed_usd (after the contract's discount), recent_usd (of calls
-- from recent_s on). One row per contract that priced a call, by id.
-- Sort key used: none, the months from from_s on are read.
SELECT
    contract_id,
    count() AS calls,
    sum(total_cost_usd) AS consumed_usd,
    sumIf(total_cost_usd, time >= toDateTime64({recent_s:Int64}, 9, 'UTC')) AS recent_usd
FROM ledger_current
WHERE contract_id != '' AND time >= toDateTime64({from_s:Int64}, 9, 'UTC')
GROUP BY contract_id
ORDER BY contract_id
