-- Which providers and models does the ledger hold in a period?
-- Parameters: from_ns, to_ns (UTC nanoseconds, half open).
-- Result: one row per provider, model and request_model.
-- Relies on the partitions of ledger (month of time).
SELECT DISTINCT provider, model, request_model
FROM ledger
WHERE time >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')
    AND time < fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
    AND kind IN ('llm', 'embedding')
ORDER BY provider, model, request_model
