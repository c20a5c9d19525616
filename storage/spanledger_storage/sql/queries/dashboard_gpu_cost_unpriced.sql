-- Which GPUs were seen, and do they have a price?
-- Parameters: project; from_s, to_s: unix seconds, half open; whole hours are read.
-- Columns: gpu, model, host, is_priced (some of its time cost money). One row per GPU.
-- Sort keys used: gpu_minutes and gpu_attribution (project, hour, gpu, ...).
SELECT
    gpu,
    any(model) AS model,
    any(host) AS host,
    gpu IN (
        SELECT gpu
        FROM gpu_attribution
        WHERE project = {project:String}
            AND toStartOfHour(start) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
            AND start < toDateTime({to_s:Int64}, 'UTC')
            AND is_deleted = 0
    ) AS is_priced
FROM gpu_minutes
WHERE project = {project:String}
    AND toStartOfHour(minute) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
    AND minute < toDateTime({to_s:Int64}, 'UTC')
GROUP BY gpu
ORDER BY host, gpu
