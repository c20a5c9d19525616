-- Remove hourly usage of keys that the recomputation of these hours did not write again.
-- Parameters: project; hours (UTC, UNIX seconds); version: that of the recomputation.
-- Result: none; one tombstone per vanished key is written.
-- Relies on the sort key of usage_hourly (project, hour, ...).
INSERT INTO usage_hourly (
    project, hour, kind, provider, model, agent_name, service_name, environment,
    is_deleted, version
)
SELECT
    project,
    hour,
    kind,
    provider,
    model,
    agent_name,
    service_name,
    environment,
    1 AS is_deleted,
    {version:UInt64} AS version
FROM usage_hourly FINAL
WHERE usage_hourly.project = {project:String}
    AND usage_hourly.hour IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
    AND usage_hourly.is_deleted = 0
    AND usage_hourly.version < {version:UInt64}
SETTINGS max_partitions_per_insert_block = 0
