-- How many rows of LLM calls does each version of the ledger have, since one of them?
-- Parameters: since: version (ns) up to which everything was handled.
-- Result: version, rows (tombstones included); one row per version, in its order.
-- Relies on the index of versions of ledger.
SELECT version, count() AS rows
FROM ledger
WHERE version > {since:UInt64} AND kind = 'llm'
GROUP BY version
ORDER BY version
