-- How fresh is the data of a project?
-- Parameters: project; now_s: unix seconds.
-- Columns: received_at_ms (unix ms, NULL: nothing in seven days), lag_ms (median time from a
-- span's end to its arrival, spans that started in the last ten minutes; NULL: none). One row.
-- touches holds seven days in arrival order; spans are read for the last hours of the sort key.
SELECT
    (
        SELECT if(count() = 0, NULL, toUnixTimestamp64Milli(max(touched_at)))
        FROM touches
        WHERE project = {project:String}
    ) AS received_at_ms,
    (
        SELECT if(
            count() = 0,
            NULL,
            quantile(0.5)(greatest(0, toUnixTimestamp64Milli(ingested_at) - intDiv(toUnixTimestamp64Nano(end_time), 1000000)))
        )
        FROM spans
        WHERE project = {project:String} AND start_time >= toDateTime({now_s:Int64} - 600, 'UTC')
    ) AS lag_ms
