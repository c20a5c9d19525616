-- Which trajectory a trace is part of. A trace without a row here is a trajectory of its own, with
-- the trace id for its id.
CREATE TABLE IF NOT EXISTS trajectory_traces
(
    project LowCardinality(String),
    trace_id String,
    trajectory_id String,
    trace_hour DateTime('UTC') COMMENT 'start hour of the trace',
    trajectory_hour DateTime('UTC') COMMENT 'start hour of the trajectory',
    is_deleted UInt8,
    version UInt64,
    INDEX trajectory_id_bloom trajectory_id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (project, trace_id)
SETTINGS non_replicated_deduplication_window = 10000, old_parts_lifetime = 480, index_granularity = 1024
