-- How many traces of some days were received after what the ledger has priced?
-- Parameters: project; position_us: up to when it has, UTC microseconds; from_s, to_s: UTC seconds,
--   of the starts of their spans, the end not included.
-- Result: one row: traces.
-- Relies on the sort key of touches (touched_at, ...).
SELECT uniqExact(trace_id) AS traces
FROM touches
WHERE touched_at > fromUnixTimestamp64Micro({position_us:Int64}, 'UTC')
    AND project = {project:String}
    AND hour >= toDateTime({from_s:UInt32}, 'UTC')
    AND hour < toDateTime({to_s:UInt32}, 'UTC')
    AND spans > 0
