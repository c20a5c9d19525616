-- What each inference worker did in a minute: inference_samples summed up, as far as costs need it.
-- Recomputed for hours in which samples came; a new version replaces, so running it twice changes nothing.
CREATE TABLE IF NOT EXISTS worker_minutes
(
    project LowCardinality(String),
    worker LowCardinality(String) COMMENT 'as in inference_samples',
    model LowCardinality(String),
    minute DateTime('UTC') COMMENT 'its start' CODEC(Delta(4), ZSTD(1)),
    engine LowCardinality(String),
    service_name LowCardinality(String),
    host LowCardinality(String),
    namespace LowCardinality(String),
    pod LowCardinality(String),
    samples UInt32,
    started Nullable(DateTime('UTC')) COMMENT 'when its counters began',
    running_ratio Nullable(Float64) COMMENT 'share of the time with requests running',
    busy_seconds Nullable(Float64) COMMENT 'in which the model ran, since the sample before',
    has_served Bool COMMENT 'its counters tell of a request since it started',
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(minute)
ORDER BY (project, toStartOfHour(minute), worker, model, minute)
SETTINGS non_replicated_deduplication_window = 10000, old_parts_lifetime = 480
