-- Touch again the traces that a worker may have been writing while they were repriced.
-- Parameters: from_ns, to_ns (UTC nanoseconds, half open): the period that was repriced; since_us
--   (UTC microseconds): what was touched since then; version: repriced rows are newer; flush_id.
-- Result: none; one touch per trace and hour.
-- Relies on the sort key of touches (touched_at, ...).
INSERT INTO touches (project, trace_id, hour, flush_id, spans)
SELECT DISTINCT project, trace_id, hour, {flush_id:String}, 0
FROM touches
WHERE touched_at >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
    AND trace_id != ''
    AND (project, trace_id) IN
    (
        SELECT project, trace_id
        FROM ledger
        WHERE time >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')
            AND time < fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
            AND version > {version:UInt64}
        UNION ALL
        SELECT project, trace_id
        FROM traces
        WHERE start_time < fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
            AND end_time >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')
            AND version > {version:UInt64}
    )
