-- Where the money of each GPU went: five minutes by line. The lines of a GPU add up to its cost.
-- A row that no longer holds is written again with is_deleted = 1.
CREATE TABLE IF NOT EXISTS gpu_attribution
(
    project LowCardinality(String),
    gpu LowCardinality(String) COMMENT 'as in gpu_samples',
    mig LowCardinality(String) COMMENT 'as in gpu_samples; of a divided GPU empty is what no instance has',
    start DateTime('UTC') COMMENT 'of the five minutes' CODEC(Delta(4), ZSTD(1)),
    line LowCardinality(String) COMMENT 'attributed priced idle warm_up overhead',
    host LowCardinality(String),
    gpu_index LowCardinality(String),
    model LowCardinality(String) COMMENT 'of the GPU',
    seconds UInt32 COMMENT 'of the GPU that were paid for, the same in every line',
    cost_usd Decimal(38, 12),
    price_id String COMMENT 'gpu/ and the number of the price; of several the last',
    method LowCardinality(String) COMMENT 'how busy is known: engine running gpu spans none; of several the last',
    is_deleted UInt8,
    version UInt64
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(start)
ORDER BY (project, toStartOfHour(start), gpu, mig, start, line)
SETTINGS non_replicated_deduplication_window = 10000, old_parts_lifetime = 480
