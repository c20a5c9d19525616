-- Log records as received; those that tell of a call also become rows of spans (kind 'log').
-- A resend of a record has the same id and hour, so it replaces the first.
CREATE TABLE IF NOT EXISTS logs
(
    project LowCardinality(String),
    time DateTime64(9, 'UTC') COMMENT 'of the event, else of its observation, else of its receipt' CODEC(Delta(8), ZSTD(1)),
    observed_time DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    log_id String COMMENT '16 hex digits, a hash of the record and its origin; the span_id of the row of spans made from it',
    trace_id String COMMENT '32 lower-case hex digits; empty: none',
    span_id String COMMENT '16 lower-case hex digits; empty: none',
    trace_flags UInt32,
    severity_number UInt8 COMMENT '0: not given; 1 to 24 as in OTLP',
    severity_text LowCardinality(String),
    event_name LowCardinality(String),
    body String COMMENT 'text as it is; other values as JSON' CODEC(ZSTD(3)),
    attributes Map(LowCardinality(String), String) COMMENT 'lists and maps as JSON; message content only where no row of spans holds it' CODEC(ZSTD(3)),
    resource_attributes Map(LowCardinality(String), String) CODEC(ZSTD(3)),
    service_name LowCardinality(String),
    service_version LowCardinality(String),
    environment LowCardinality(String),
    scope_name LowCardinality(String),
    scope_version LowCardinality(String),
    session_id String,
    ingested_at DateTime64(3, 'UTC'),
    version UInt64 COMMENT 'receive time in ns; the newest row of a record wins',
    INDEX trace_id_bloom trace_id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(time)
ORDER BY (project, toStartOfHour(time), trace_id, log_id)
SETTINGS non_replicated_deduplication_window = 10000, old_parts_lifetime = 480
