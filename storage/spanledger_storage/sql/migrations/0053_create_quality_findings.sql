-- What each check of data quality found lately: one row per project and check, replaced.
CREATE TABLE quality_findings
(
    project LowCardinality(String),
    check LowCardinality(String),
    from_time DateTime('UTC') COMMENT 'of the period that was looked at',
    to_time DateTime('UTC'),
    severity LowCardinality(String) COMMENT 'error warning info; empty: nothing found',
    title String,
    count UInt64 COMMENT 'cases; 0: nothing found',
    unit String COMMENT 'of what',
    amount_usd Nullable(Decimal(38, 12)) COMMENT 'dollars at risk; NULL: unknown',
    amount_label String COMMENT 'what those dollars are',
    version UInt64 COMMENT 'when it was looked at, UTC nanoseconds'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (project, check)
SETTINGS non_replicated_deduplication_window = 1000, old_parts_lifetime = 480
