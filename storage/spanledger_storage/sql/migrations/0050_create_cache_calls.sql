-- One row per LLM call with known input: what the provider's prompt cache did for it, with which
-- earlier call it is compared, and why it paid again for what was cached. Rows of touched lanes are
-- recomputed and replaced. What people said is not in it, only hashes of messages.
CREATE TABLE IF NOT EXISTS cache_calls
(
    project LowCardinality(String),
    time DateTime64(9, 'UTC') COMMENT 'start of the call, as in the ledger' CODEC(Delta(8), ZSTD(1)),
    lane UInt64 COMMENT 'hash of service, agent and session, or trace where there is no session',
    pool UInt64 COMMENT 'hash of service, environment, agent, provider and model: who shares a cache',
    is_opener UInt8 COMMENT '1: it continues no call of its lane, and is compared within its pool',
    entry_id String COMMENT 'of the ledger',
    trace_id String,
    span_id String,
    duration_ns UInt64,
    agent_name LowCardinality(String),
    provider LowCardinality(String),
    model LowCardinality(String),
    input_tokens UInt64,
    cache_read_tokens Nullable(UInt64) COMMENT 'NULL: not reported',
    cache_write_tokens Nullable(UInt64),
    cache_write_1h_tokens Nullable(UInt64),
    minimum_tokens UInt32 COMMENT 'fewest tokens the provider caches of this model',
    read_factor Nullable(Float64) COMMENT 'rate of a cache read over the input rate; NULL: no price',
    write_5m_factor Nullable(Float64) COMMENT 'rate of a cache write over the input rate',
    write_1h_factor Nullable(Float64) COMMENT 'the same of a write for an hour',
    full_cost_usd Nullable(Decimal(18, 12)) COMMENT 'what the input would cost without a cache',
    read_saving_usd Nullable(Decimal(18, 12)) COMMENT '(1 - r) R times the input rate',
    write_extra_usd Nullable(Decimal(18, 12)) COMMENT '(w - 1) W times the input rate',
    segments UInt32 COMMENT 'tools, system prompt and messages of the request; 0: not recorded',
    previous_trace_id String COMMENT 'the call it is compared with; empty: there is none',
    previous_span_id String,
    previous_segments UInt32,
    gap_ns Int64 COMMENT 'from the end of that call to the start of this; negative: they overlap',
    shared_segments UInt32 COMMENT 'segments from the start that are equal in both',
    shared_tokens UInt64 COMMENT 'the same in tokens: exact, where one request continues the other',
    smaller_tokens UInt64 COMMENT 'input tokens of the smaller of the two; 0: nothing to compare',
    cause LowCardinality(String) COMMENT 'names in docs/cache.md',
    segment_kind LowCardinality(String) COMMENT 'tools system message, or segment where roles are not known',
    detail LowCardinality(String) COMMENT 'of dynamic_text: timestamp uuid counter user_id token',
    position Nullable(UInt32) COMMENT 'character of the segment at which the texts part',
    segment_hash String COMMENT 'of the first segment that differs, 32 hex digits; empty: none',
    previous_segment_hash String,
    lost_tokens UInt64 COMMENT 'tokens that a stable prefix would have read from the cache',
    lost_usd Nullable(Decimal(18, 12)) COMMENT 'what they cost beyond a cache read; NULL: no price',
    is_deleted UInt8,
    version UInt64,
    INDEX entry_id_bloom entry_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX trace_id_bloom trace_id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(time)
ORDER BY (project, toStartOfHour(time), lane, time, entry_id)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000, old_parts_lifetime = 480
