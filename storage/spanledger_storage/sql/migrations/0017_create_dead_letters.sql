-- Requests that could not be decoded or stored, until somebody retries or drops them. Kept for ever.
-- A letter's id is a function of the request, so that it can be moved here twice and is there once.
CREATE TABLE IF NOT EXISTS dead_letters
(
    project LowCardinality(String),
    letter_id String COMMENT '32 hex digits, a hash of project, signal, receive time and body',
    signal LowCardinality(String) COMMENT 'traces logs metrics',
    state LowCardinality(String) COMMENT 'open; retried: its rows are stored; dropped',
    received_at DateTime64(9, 'UTC'),
    spool_id String COMMENT 'the spool it came from',
    seq UInt64 COMMENT 'its number there',
    items UInt64 COMMENT 'spans, log records or data points, as counted when it was accepted',
    bytes UInt64 COMMENT 'of the body as received',
    reason String COMMENT 'why it could not be stored, at the last attempt',
    body String COMMENT 'export request in protobuf; empty once retried or dropped' CODEC(ZSTD(3)),
    version UInt64 COMMENT 'receive time in ns, then the time of each change; the newest row holds'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (project, letter_id)
SETTINGS non_replicated_deduplication_window = 10000, old_parts_lifetime = 480, index_granularity = 1024
