-- Which parts do the tables of this database have?
-- Parameters: none.
-- Result: one row per part in use: table_name, part, partition (number; 0: the table has none),
--   rows, bytes (on disk), newest_block (number of the newest insert in the part).
SELECT
    table AS table_name,
    name AS part,
    toUInt32OrZero(partition_id) AS partition,
    rows,
    bytes_on_disk AS bytes,
    max_block_number AS newest_block
FROM system.parts
WHERE database = currentDatabase() AND active
ORDER BY table_name, part
