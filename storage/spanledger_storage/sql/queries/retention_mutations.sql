-- Which tables are being rewritten, and what keeps that from ending?
-- Parameters: none.
-- Result: one row per table with unfinished mutations: table_name, reason (empty: none).
SELECT table AS table_name, max(latest_fail_reason) AS reason
FROM system.mutations
WHERE database = currentDatabase() AND NOT is_done
GROUP BY table_name
