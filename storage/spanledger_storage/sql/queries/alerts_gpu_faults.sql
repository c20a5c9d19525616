-- Which GPUs reported a new fault?
-- Parameters: project; t: end of the window; window_s: its length in seconds.
-- Columns: gpu, mig, host, fault (xid and its code, or lost), value (2: of the hardware or driver; 1: an
-- XID that programs cause by themselves). One row per GPU and fault that was not seen in the day before
-- the window, or came again in it: drivers go on telling the last code for as long as they run.
-- Which XIDs programs cause: https://docs.nvidia.com/deploy/xid-errors/ (13, 31, 43, 45, 68)
-- Sort key used: gpu_minutes (project, hour).
WITH toUnixTimestamp(toDateTime({t:DateTime64(9, 'UTC')}, 'UTC')) - {window_s:UInt32} AS began_s
SELECT
    gpu,
    mig,
    anyLast(host) AS host,
    replaceOne(if(event = 'lost:0', 'lost', event), ':', ' ') AS fault,
    if(event IN ('xid:13', 'xid:31', 'xid:43', 'xid:45', 'xid:68'), 1, 2) AS value
FROM gpu_minutes FINAL
ARRAY JOIN mapKeys(event_samples) AS event
WHERE project = {project:String}
    AND minute >= {t:DateTime64(9, 'UTC')} - toIntervalSecond({window_s:UInt32}) - toIntervalDay(1)
    AND minute < {t:DateTime64(9, 'UTC')}
    AND (event LIKE 'xid:%' OR event = 'lost:0')
GROUP BY gpu, mig, event
HAVING max(event_last_s[event]) >= began_s
    AND (
        event = 'lost:0'
        OR min(event_first_s[event]) >= began_s
        OR maxIf(xid_errors, toUnixTimestamp(minute) >= began_s)
            > maxIf(xid_errors, toUnixTimestamp(minute) < began_s)
    )
