-- How many replaced parts of tables of this database are still on the disk?
-- Parameters: tables: names; since: UNIX seconds, parts that were replaced later do not count.
-- Result: one row: parts, bytes.
SELECT count() AS parts, sum(bytes_on_disk) AS bytes
FROM system.parts
WHERE database = currentDatabase()
    AND NOT active
    AND table IN {tables:Array(String)}
    AND toUnixTimestamp(remove_time) <= {since:Int64}
