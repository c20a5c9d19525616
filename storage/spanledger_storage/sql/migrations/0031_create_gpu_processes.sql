-- Which process used how much of a GPU, one row per GPU, process and second.
CREATE TABLE IF NOT EXISTS gpu_processes
(
    project LowCardinality(String),
    gpu LowCardinality(String) COMMENT 'as in gpu_samples',
    mig LowCardinality(String) COMMENT 'as in gpu_samples',
    pid UInt32 COMMENT 'on the host',
    time DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    host LowCardinality(String),
    executable LowCardinality(String),
    container_id LowCardinality(String),
    container LowCardinality(String),
    pod LowCardinality(String),
    namespace LowCardinality(String),
    memory_bytes Nullable(UInt64) CODEC(ZSTD(1)),
    utilization_ratio Nullable(Float32) COMMENT 'share of time kernels of the process ran',
    memory_active_ratio Nullable(Float32) COMMENT 'share of time it read or wrote memory'
)
ENGINE = CoalescingMergeTree
PARTITION BY toYYYYMMDD(time)
ORDER BY (project, toStartOfHour(time), gpu, mig, pid, time)
SETTINGS non_replicated_deduplication_window = 10000, old_parts_lifetime = 480
