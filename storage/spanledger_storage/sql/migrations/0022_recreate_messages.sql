-- Every batch stores the messages of its spans again: a day holds what the spans received that day
-- refer to, and a message that is used on two days has a row in each.
CREATE OR REPLACE TABLE messages
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
