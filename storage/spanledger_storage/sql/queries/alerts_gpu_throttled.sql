-- Which share of the time were clocks of each GPU held down by heat, power or a brake?
-- Parameters: project; t: end of the window; window_s: its length in seconds.
-- Columns: gpu, mig, host, value (share), points (minutes known). One row per GPU and instance.
-- Sort key used: gpu_minutes (project, hour).
SELECT
    gpu,
    mig,
    anyLast(host) AS host,
    sum(throttled_ratio * seconds) / sum(if(isNull(throttled_ratio), 0, seconds)) AS value,
    countIf(isNotNull(throttled_ratio)) AS points
FROM gpu_minutes FINAL
WHERE project = {project:String}
    AND minute >= {t:DateTime64(9, 'UTC')} - toIntervalSecond({window_s:UInt32})
    AND minute < {t:DateTime64(9, 'UTC')}
GROUP BY gpu, mig
HAVING points > 0
