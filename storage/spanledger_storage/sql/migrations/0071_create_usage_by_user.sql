-- What usage_hourly holds, told by user as well, and what the money is made of. For pages that would
-- else read every entry. Recomputed for touched hours with usage_hourly, never incremented.
CREATE TABLE IF NOT EXISTS usage_by_user
(
    project LowCardinality(String),
    hour DateTime('UTC'),
    user_id String,
    kind LowCardinality(String),
    provider LowCardinality(String),
    model LowCardinality(String),
    agent_name LowCardinality(String),
    service_name LowCardinality(String),
    environment LowCardinality(String),
    calls UInt64,
    errors UInt64,
    unpriced_calls UInt64 COMMENT 'usage known, price not',
    calls_without_usage UInt64 COMMENT 'answered, but no token count was reported',
    self_hosted_calls UInt64 COMMENT 'usage known, on own machines, no price per token',
    input_tokens UInt64,
    uncached_tokens UInt64,
    cache_read_tokens UInt64,
    cache_write_tokens UInt64,
    output_tokens UInt64,
    reasoning_tokens UInt64,
    total_cost_usd Decimal(38, 12) COMMENT 'sum of what is priced',
    fees_cost_usd Decimal(38, 12) COMMENT 'part of total_cost_usd',
    uncached_cost_usd Decimal(38, 12) COMMENT 'part of total_cost_usd',
    cache_read_cost_usd Decimal(38, 12) COMMENT 'part of total_cost_usd',
    cache_write_cost_usd Decimal(38, 12) COMMENT 'part of total_cost_usd',
    output_cost_usd Decimal(38, 12) COMMENT 'part of total_cost_usd',
    priced_calls UInt64 COMMENT 'priced by class of tokens',
    priced_uncached_tokens UInt64 COMMENT 'of these calls, where all input is known',
    priced_cache_read_tokens UInt64 COMMENT 'of these calls, where all input is known',
    priced_cache_write_tokens UInt64 COMMENT 'of these calls, where all input is known',
    priced_output_tokens UInt64 COMMENT 'of these calls',
    first_time DateTime('UTC') COMMENT 'of the first entry',
    last_time DateTime('UTC') COMMENT 'of the last entry',
    is_deleted UInt8,
    version UInt64
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(hour)
ORDER BY (project, hour, user_id, kind, provider, model, agent_name, service_name, environment)
SETTINGS non_replicated_deduplication_window = 10000, old_parts_lifetime = 480
