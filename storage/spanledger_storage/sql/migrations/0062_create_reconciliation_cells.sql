-- The ledger, the provider's usage report and its bill, compared. A day of a provider is compared
-- anew as a whole: cells that are gone are written as deleted.
CREATE TABLE IF NOT EXISTS reconciliation_cells
(
    project LowCardinality(String),
    day Date,
    provider LowCardinality(String),
    cell_id String COMMENT '32 hex digits of what it is about',
    token_class LowCardinality(String),
    scope Nullable(String) COMMENT 'NULL: one side does not tell it, so it is not told apart',
    api_key Nullable(String),
    model Nullable(String),
    processing Nullable(String),
    service_tier Nullable(String),
    context Nullable(String),
    geo Nullable(String),
    ledger_quantity Nullable(Decimal(38, 12)) COMMENT 'NULL: that side does not tell it',
    usage_quantity Nullable(Decimal(38, 12)),
    billed_quantity Nullable(Decimal(38, 12)),
    ledger_usd Decimal(38, 12),
    billed_usd Decimal(38, 12),
    volume_usd Decimal(38, 12) COMMENT 'difference in quantity at the price of the ledger',
    price_usd Decimal(38, 12) COMMENT 'the rest of the difference',
    is_within_tolerance UInt8,
    is_final UInt8 COMMENT '1: the provider will not change the day',
    causes Array(Tuple(cause String, usd Decimal(38, 12), confidence String, explanation String, evidence_count UInt64)) COMMENT 'they add up to billed_usd - ledger_usd' CODEC(ZSTD(3)),
    evidence Array(Tuple(cause String, trace_id String, span_id String, entry_id String, request_id String, response_id String)) COMMENT 'calls that show a cause, at most 100 of each' CODEC(ZSTD(3)),
    is_deleted UInt8,
    version UInt64
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(day)
ORDER BY (project, day, provider, cell_id)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000, old_parts_lifetime = 480
