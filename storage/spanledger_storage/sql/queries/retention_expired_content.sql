-- How many messages were last used before a day, in which parts of the table?
-- Parameters: projects: names; day: the first UTC day that stays, as YYYYMMDD.
-- Result: one row per part with such rows: table_name, part, expired (rows).
-- Relies on the partitions of messages (day of stored_at).
SELECT 'messages' AS table_name, _part AS part, count() AS expired
FROM messages
WHERE toYYYYMMDD(stored_at) < {day:UInt32} AND project IN {projects:Array(String)}
GROUP BY part
