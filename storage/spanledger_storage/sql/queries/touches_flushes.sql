-- Which flushes did the collector announce since a moment?
-- Parameters: since_us (UTC microseconds, inclusive); max_rows: how many rows of touches to look
--   at, so that a long backlog is read in parts.
-- Result: one row per flush, oldest first; first_us and touched_us: oldest and newest of its rows
--   in UTC microseconds; touched: how many of its rows were looked at. The last flush may be cut
--   off when the sum of touched is max_rows.
-- Relies on the sort key of touches (touched_at, flush_id).
SELECT
    flush_id,
    toUnixTimestamp64Micro(min(touched_at)) AS first_us,
    toUnixTimestamp64Micro(max(touched_at)) AS touched_us,
    count() AS touched
FROM
(
    SELECT flush_id, touched_at
    FROM touches
    WHERE touched_at >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
    ORDER BY touched_at, flush_id
    LIMIT {max_rows:UInt64}
)
GROUP BY flush_id
ORDER BY touched_us, flush_id
