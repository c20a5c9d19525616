-- How many rows of traces does each version have, since one of them? Of all projects.
-- Parameters: since: version (ns) up to which everything was handled.
-- Result: version, rows (deleted traces included); one row per version, in its order.
-- Relies on the index of versions of traces.
SELECT version, count() AS rows
FROM traces
WHERE version > {since:UInt64}
GROUP BY version
ORDER BY version
