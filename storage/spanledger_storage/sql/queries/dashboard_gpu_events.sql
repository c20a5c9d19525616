-- Which faults and throttling did GPUs report?
-- Parameters: project; from_s, to_s: unix seconds, half open; gpu: only this one, '' for all.
-- Columns: gpu, mig, host, gpu_index; kind: xid, lost or throttled; code: of the XID, or the bit of
--   NVML's clock event reasons; first_s, last_s: unix seconds of the first and last sample that
--   tells it; samples: how many do. Newest first, 500 at most.
-- Sort key used: (project, toStartOfHour(time), gpu).
WITH events AS
(
    SELECT
        gpu,
        mig,
        host,
        gpu_index,
        time,
        arrayConcat(
            if(ifNull(xid, 0) > 0, [('xid', toUInt64(ifNull(xid, 0)))], []),
            if(ifNull(is_lost, false), [('lost', toUInt64(0))], []),
            arrayMap(
                bit -> ('throttled', bit),
                bitmaskToArray(bitAnd(ifNull(clock_events, 0), toUInt64(0xEC)))
            )
        ) AS found
    FROM gpu_samples FINAL
    WHERE project = {project:String}
        AND toStartOfHour(time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
        AND time >= toDateTime({from_s:Int64}, 'UTC')
        AND time < toDateTime({to_s:Int64}, 'UTC')
        AND ({gpu:String} = '' OR gpu = {gpu:String})
        AND (xid > 0 OR is_lost OR bitAnd(clock_events, 0xEC) > 0)
)
SELECT
    gpu,
    mig,
    anyLast(host) AS host,
    anyLast(gpu_index) AS gpu_index,
    event.1 AS kind,
    event.2 AS code,
    toUnixTimestamp(min(time)) AS first_s,
    toUnixTimestamp(max(time)) AS last_s,
    count() AS samples
FROM events
ARRAY JOIN found AS event
GROUP BY gpu, mig, kind, code
ORDER BY last_s DESC, gpu, mig, kind, code
LIMIT 500
SETTINGS do_not_merge_across_partitions_select_final = 1, prefer_column_name_to_alias = 1
