-- For how long has nothing come from services that usually send?
-- Parameters: project; t: the time; busy_hours: of the 24 before its last call a service had calls in at
-- least so many.
-- Columns: service, environment, value (seconds since its last call). One row per service and
-- environment that was busy within the last two days.
-- Sort key used: usage_hourly (project, hour).
SELECT
    service_name AS service,
    environment,
    greatest(0, toUnixTimestamp(toDateTime({t:DateTime64(9, 'UTC')}, 'UTC')) - toInt64(toUnixTimestamp(max(last_time)))) AS value
FROM usage_hourly FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND hour >= toStartOfHour({t:DateTime64(9, 'UTC')}) - toIntervalHour(72)
    AND hour < {t:DateTime64(9, 'UTC')}
GROUP BY service, environment
HAVING max(hour) >= {t:DateTime64(9, 'UTC')} - toIntervalHour(48)
    AND length(arrayFilter(h -> h > max(hour) - 86400, groupUniqArray(hour))) >= {busy_hours:UInt32}
