-- How many bytes does each table hold on disk, those of the store's own included?
-- Parameters: none.
-- Result: one row per table with parts: database_name ('system': the store's own), table_name, rows,
--   bytes (in use), old_bytes (replaced by merges and rewriting; the engine removes them within
--   minutes), detached_parts. Largest first.
SELECT
    if(s.database = 'system', 'system', '') AS database_name,
    s.table AS table_name,
    s.rows AS rows,
    s.bytes AS bytes,
    s.old_bytes AS old_bytes,
    d.parts AS detached_parts
FROM
(
    SELECT
        database,
        table,
        sumIf(parts.rows, active) AS rows,
        sumIf(bytes_on_disk, active) AS bytes,
        sumIf(bytes_on_disk, NOT active) AS old_bytes
    FROM system.parts AS parts
    WHERE database IN (currentDatabase(), 'system')
    GROUP BY database, table
) AS s
LEFT JOIN
(
    SELECT database, table, count() AS parts
    FROM system.detached_parts
    GROUP BY database, table
) AS d ON s.database = d.database AND s.table = d.table
ORDER BY bytes DESC, table_name
