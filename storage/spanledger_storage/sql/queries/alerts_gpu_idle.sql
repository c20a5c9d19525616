-- Which share of the time did each GPU do nothing?
-- Parameters: project; t: end of the window; window_s: its length in seconds.
-- Columns: gpu, mig, host, value (share), points (minutes known), usd (what idle time of the window cost;
-- NULL: no price). One row per GPU and instance.
-- Sort key used: gpu_minutes and gpu_attribution (project, hour).
WITH {t:DateTime64(9, 'UTC')} - toIntervalSecond({window_s:UInt32}) AS began
SELECT
    known.gpu AS gpu,
    known.mig AS mig,
    known.host AS host,
    known.value AS value,
    known.points AS points,
    if(cost.lines > 0, cost.usd, NULL) AS usd
FROM
(
    SELECT
        gpu,
        mig,
        anyLast(host) AS host,
        sum(idle_ratio * seconds) / sum(if(isNull(idle_ratio), 0, seconds)) AS value,
        countIf(isNotNull(idle_ratio)) AS points
    FROM gpu_minutes FINAL
    WHERE project = {project:String}
        AND minute >= began
        AND minute < {t:DateTime64(9, 'UTC')}
    GROUP BY gpu, mig
    HAVING points > 0
) AS known
LEFT JOIN
(
    SELECT gpu, mig, sum(cost_usd) AS usd, count() AS lines
    FROM gpu_attribution FINAL
    WHERE project = {project:String}
        AND is_deleted = 0
        AND line = 'idle'
        AND start >= began
        AND start < {t:DateTime64(9, 'UTC')}
    GROUP BY gpu, mig
) AS cost ON cost.gpu = known.gpu AND cost.mig = known.mig
