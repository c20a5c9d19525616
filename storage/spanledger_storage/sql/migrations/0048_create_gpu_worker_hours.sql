-- What each inference worker and model cost and did in an hour: the base of dollars per token.
-- A row that no longer holds is written again with is_deleted = 1.
CREATE TABLE IF NOT EXISTS gpu_worker_hours
(
    project LowCardinality(String),
    hour DateTime('UTC'),
    worker LowCardinality(String) COMMENT 'as in inference_samples; else pod or host of the spans',
    model LowCardinality(String) COMMENT 'as the calls name it',
    engine LowCardinality(String),
    requests UInt64 COMMENT 'that began in the hour',
    requests_without_tokens UInt64,
    uncached_tokens UInt64,
    cache_read_tokens UInt64,
    output_tokens UInt64,
    prefill_cost_usd Decimal(38, 12) COMMENT 'of requests, while their input was read',
    decode_cost_usd Decimal(38, 12) COMMENT 'of requests, while they wrote',
    priced_cost_usd Decimal(38, 12) COMMENT 'the part of both whose calls have a token price',
    unattributed_cost_usd Decimal(38, 12) COMMENT 'its share of what its GPUs cost besides: idle, warm-up, overhead',
    is_deleted UInt8,
    version UInt64
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(hour)
ORDER BY (project, hour, worker, model)
SETTINGS non_replicated_deduplication_window = 10000, old_parts_lifetime = 480
