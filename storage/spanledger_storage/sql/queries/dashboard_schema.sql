-- Which tables and columns can a typed query read?
-- Columns: table, column, type, comment (empty: none; a view takes those of the table below it).
-- One row per column, in the order of the table. Without the feeds of other tables and without the
-- list of schema changes.
-- Sort key used: none; the engine's own list of columns.
SELECT
    own.table AS table,
    own.name AS column,
    own.type AS type,
    if(own.comment = '', below.comment, own.comment) AS comment
FROM system.columns AS own
LEFT JOIN (
    SELECT concat(table, '_current') AS view, name, comment
    FROM system.columns
    WHERE database = currentDatabase()
) AS below ON below.view = own.table AND below.name = own.name
WHERE own.database = currentDatabase()
    AND own.table NOT LIKE '%\_feed'
    AND own.table != 'migrations'
ORDER BY own.table, own.position
