-- The collector's note to the jobs: these traces changed, and in which hours their spans lie.
CREATE TABLE touches
(
    project LowCardinality(String),
    trace_id String,
    hour DateTime('UTC') COMMENT 'start hour of at least one span of this flush',
    flush_id String COMMENT 'one insert of the collector; a job handles a flush once',
    spans UInt32,
    touched_at DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(touched_at)
ORDER BY (touched_at, flush_id)
TTL toDateTime(touched_at) + INTERVAL 7 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1, old_parts_lifetime = 480
