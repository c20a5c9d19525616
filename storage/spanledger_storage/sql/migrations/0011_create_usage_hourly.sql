-- The cube for charts: ledger entries summed per hour. Recomputed for touched hours, never incremented.
CREATE TABLE usage_hourly
(
    project LowCardinality(String),
    hour DateTime('UTC'),
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
    input_tokens UInt64,
    uncached_tokens UInt64,
    cache_read_tokens UInt64,
    cache_write_tokens UInt64,
    output_tokens UInt64,
    reasoning_tokens UInt64,
    total_cost_usd Decimal(38, 12) COMMENT 'sum of what is priced',
    duration_ns UInt64 COMMENT 'sum over calls',
    is_deleted UInt8,
    version UInt64
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(hour)
ORDER BY (project, hour, kind, provider, model, agent_name, service_name, environment)
SETTINGS non_replicated_deduplication_window = 10000, old_parts_lifetime = 480
