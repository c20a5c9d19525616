-- What ties traces together: a set, to which the ledger job adds what it read. Traces that hold the
-- same key belong to one trajectory.
CREATE TABLE IF NOT EXISTS trajectory_keys
(
    project LowCardinality(String),
    kind LowCardinality(String) COMMENT 'explicit conversation workflow link',
    key String COMMENT '32 hex digits: of a link, and of an explicit id that names one, the trace; else a hash of the id',
    trace_id String COMMENT 'the trace that holds the key',
    INDEX trace_id_bloom trace_id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
ORDER BY (project, kind, key, trace_id)
SETTINGS non_replicated_deduplication_window = 10000, old_parts_lifetime = 480, index_granularity = 1024
