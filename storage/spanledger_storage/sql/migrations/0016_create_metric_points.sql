-- Data points of metrics as received. A stream is a series with one start_time; cumulative streams
-- are differenced when they are read. A resend repeats the key and replaces.
CREATE TABLE IF NOT EXISTS metric_points
(
    project LowCardinality(String),
    metric LowCardinality(String),
    unit LowCardinality(String),
    kind LowCardinality(String) COMMENT 'gauge sum histogram exponential_histogram summary',
    temporality LowCardinality(String) COMMENT 'delta cumulative; empty: none',
    is_monotonic Nullable(Bool) COMMENT 'sums only',
    series_id String COMMENT '32 hex digits: resource, scope, metric and attributes',
    start_time DateTime64(9, 'UTC') COMMENT '1970: not given' CODEC(Delta(8), ZSTD(1)),
    time DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    attributes Map(LowCardinality(String), String) CODEC(ZSTD(3)),
    resource_attributes Map(LowCardinality(String), String) CODEC(ZSTD(3)),
    service_name LowCardinality(String),
    service_version LowCardinality(String),
    environment LowCardinality(String),
    scope_name LowCardinality(String),
    scope_version LowCardinality(String),
    value Nullable(Float64) COMMENT 'gauges and sums; NULL: not recorded, or not a number',
    integer_value Nullable(Int64) COMMENT 'the exact value when it was sent as an integer',
    count Nullable(UInt64),
    sum Nullable(Float64),
    min Nullable(Float64),
    max Nullable(Float64),
    bounds Array(Float64) COMMENT 'upper bounds of the buckets but the last; a summary: its quantiles',
    quantile_values Array(Float64) COMMENT 'summaries only, beside bounds',
    bucket_counts Array(UInt64) COMMENT 'one more than bounds; exponential buckets written out',
    ingested_at DateTime64(3, 'UTC'),
    version UInt64 COMMENT 'receive time in ns; the newest row of a point wins'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(time)
ORDER BY (project, toStartOfHour(time), metric, series_id, start_time, time)
SETTINGS non_replicated_deduplication_window = 10000, old_parts_lifetime = 480
