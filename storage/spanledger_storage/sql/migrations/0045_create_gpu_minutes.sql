-- What each GPU and MIG instance did in a minute: gpu_samples and gpu_processes summed up.
-- Recomputed for hours in which samples came; a new version replaces, so running it twice changes nothing.
CREATE TABLE IF NOT EXISTS gpu_minutes
(
    project LowCardinality(String),
    gpu LowCardinality(String) COMMENT 'as in gpu_samples',
    mig LowCardinality(String) COMMENT 'as in gpu_samples',
    minute DateTime('UTC') COMMENT 'its start' CODEC(Delta(4), ZSTD(1)),
    source LowCardinality(String),
    gpu_index LowCardinality(String),
    model LowCardinality(String),
    mig_profile LowCardinality(String),
    host LowCardinality(String),
    namespace LowCardinality(String),
    pod LowCardinality(String),
    container LowCardinality(String),
    pods Array(LowCardinality(String)) COMMENT 'of samples and processes',
    samples UInt32,
    seconds UInt32 COMMENT 'that the samples stand for: the weight of the means',
    first_time DateTime('UTC') COMMENT 'of the first sample',
    last_time DateTime('UTC'),
    is_lost Nullable(Bool) COMMENT 'newest',
    utilization_ratio Nullable(Float32) COMMENT 'means are weighted by time',
    newest_utilization_ratio Nullable(Float32),
    idle_ratio Nullable(Float32) COMMENT 'share of the time in which nothing ran',
    engine_active_ratio Nullable(Float32),
    memory_active_ratio Nullable(Float32),
    tensor_active_ratio Nullable(Float32),
    memory_used_bytes Nullable(Float64),
    newest_memory_used_bytes Nullable(UInt64),
    memory_peak_bytes Nullable(UInt64),
    memory_total_bytes Nullable(UInt64),
    power_watts Nullable(Float32),
    newest_power_watts Nullable(Float32),
    power_limit_watts Nullable(Float32),
    energy_joules Nullable(Float64) COMMENT 'since the sample before; NULL: no counter',
    newest_temperature_celsius Nullable(Float32),
    temperature_peak_celsius Nullable(Float32),
    sm_clock_hz Nullable(Float64),
    throttled_ratio Nullable(Float32),
    clock_events UInt64 COMMENT 'bits of what held clocks down',
    xid Nullable(UInt32) COMMENT 'newest',
    xid_errors Nullable(UInt64),
    ecc_corrected_first Nullable(UInt64),
    ecc_corrected_last Nullable(UInt64),
    ecc_uncorrected_first Nullable(UInt64),
    ecc_uncorrected_last Nullable(UInt64),
    pcie_bytes Nullable(Float64) COMMENT 'moved since the sample before',
    nvlink_bytes Nullable(Float64),
    event_samples Map(LowCardinality(String), UInt64) COMMENT 'by kind and code, as xid:79',
    event_first_s Map(LowCardinality(String), UInt64) COMMENT 'UNIX seconds',
    event_last_s Map(LowCardinality(String), UInt64),
    processes Array(Tuple(
        pid UInt32, executable String, container_id String, container String, pod String, namespace String,
        memory_bytes Nullable(UInt64), memory_peak_bytes Nullable(UInt64), utilization_ratio Nullable(Float64),
        samples UInt32, first_s UInt32, last_s UInt32
    )),
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(minute)
ORDER BY (project, toStartOfHour(minute), gpu, mig, minute)
SETTINGS non_replicated_deduplication_window = 10000, old_parts_lifetime = 480
