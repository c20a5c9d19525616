-- Messages by the day they were last stored, so that old ones leave by dropping parts: first into a
-- table beside, then back, because each step must stand being interrupted and run again.
CREATE TABLE IF NOT EXISTS messages_by_day
(
    project LowCardinality(String),
    hash FixedString(16) COMMENT 'BLAKE2b-128 of the canonical JSON in content',
    role LowCardinality(String) COMMENT 'system user assistant tool, tool_definitions, or a name of the sender',
    content String COMMENT 'canonical JSON: {"role", "parts": [...]} as in OTel GenAI semantic conventions' CODEC(ZSTD(3)),
    stored_at DateTime('UTC') COMMENT 'receipt of the last span that refers to it'
)
ENGINE = ReplacingMergeTree(stored_at)
PARTITION BY toYYYYMMDD(stored_at)
ORDER BY (project, hash)
SETTINGS non_replicated_deduplication_window = 10000, old_parts_lifetime = 480, index_granularity = 1024
