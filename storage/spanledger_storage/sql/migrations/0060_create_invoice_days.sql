-- Which import counts for a day of a source; written after its lines, so nothing is half imported.
CREATE TABLE IF NOT EXISTS invoice_days
(
    project LowCardinality(String),
    day Date,
    source LowCardinality(String),
    import_id String COMMENT 'the import that counts for this day; empty: none does any more',
    is_final UInt8 COMMENT '1: the provider will not change it',
    version UInt64 COMMENT 'UTC nanoseconds'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(day)
ORDER BY (project, day, source)
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 10000, old_parts_lifetime = 480
