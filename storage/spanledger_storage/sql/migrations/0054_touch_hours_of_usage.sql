-- Have the jobs sum every hour once more: hourly usage has columns that it had not. The flush is
-- named as a repricing announces its hours. Running it again only makes the jobs sum once more.
INSERT INTO touches (project, trace_id, hour, flush_id, spans)
SELECT DISTINCT project, '', hour, 'repricing-0', 0
FROM usage_hourly
