-- Remove hourly usage by user of keys that the recomputation of these hours did not write again.
-- Parameters: project; hours (UTC, UNIX seconds); version: that of the recomputation.
-- Result: none; one tombstone per vanished key is written.
-- Relies on the sort key of usage_by_user (project, hour, ...).
INSERT INTO usage_by_user (
    project, hour, user_id, kind, provider, model, agent_name, service_name, environment,
    is_deleted, version
)
SELECT
    project,
    hour,
    user_id,
    kind,
    provider,
    model,
    agent_name,
    service_name,
    environment,
    1 AS is_deleted,
    {version:UInt64} AS version
FROM usage_by_user FINAL
WHERE usage_by_user.project = {project:String}
    AND usage_by_user.hour IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
    AND usage_by_user.is_deleted = 0
    AND usage_by_user.version < {version:UInt64}
SETTINGS max_partitions_per_insert_block = 0
