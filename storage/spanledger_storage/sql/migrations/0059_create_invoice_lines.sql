-- What providers billed. A line belongs to an import and is never changed; which import counts for a
-- source's day says invoice_days, so a restatement replaces a day at once and the old lines stay.
CREATE TABLE IF NOT EXISTS invoice_lines
(
    project LowCardinality(String),
    day Date COMMENT 'first UTC day the line is for',
    last_day Date COMMENT 'its last one',
    import_id String COMMENT '32 hex digits',
    source LowCardinality(String) COMMENT 'report and account it is of: days of one source replace each other',
    line_number UInt32 COMMENT 'in its file, from 1',
    part UInt16 COMMENT 'of a line of the file that tells several classes, from 0',
    dataset LowCardinality(String) COMMENT 'usage cost invoice',
    provider LowCardinality(String),
    token_class LowCardinality(String) COMMENT 'names in docs/reconciliation.md',
    quantity Nullable(Decimal(38, 12)) COMMENT 'in units of unit, never thousands of them',
    unit LowCardinality(String),
    amount Nullable(Decimal(38, 18)) COMMENT 'charged, in currency; NULL: no money told',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    list_amount Nullable(Decimal(38, 18)) COMMENT 'before discounts; NULL: not told',
    amount_usd Nullable(Decimal(38, 12)) COMMENT 'NULL: no money told, or no exchange rate known',
    scope Nullable(String) COMMENT 'project, workspace, account of the provider; NULL: not told, empty: none',
    api_key Nullable(String) COMMENT 'id, never the secret',
    user Nullable(String),
    model Nullable(String) COMMENT 'as the ledger names it',
    reported_model String COMMENT 'as it stands in the report',
    processing Nullable(String) COMMENT 'sync batch',
    service_tier Nullable(String) COMMENT 'empty: standard',
    context Nullable(String) COMMENT 'bucket such as 0-200k',
    geo Nullable(String),
    description String COMMENT 'free text, as it stands there',
    invoice_id String,
    extra Map(LowCardinality(String), String) COMMENT 'what else it says, by names of the report' CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (project, day, source, import_id, line_number, part)
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 10000, old_parts_lifetime = 480
