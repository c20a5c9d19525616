-- One row per trajectory: what the agent did for one request and what it cost. Recomputed whole.
CREATE TABLE trajectories
(
    project LowCardinality(String),
    trajectory_id String COMMENT 'the trace id',
    trace_ids Array(String),
    name LowCardinality(String) COMMENT 'name of the root span',
    root_span_id String COMMENT 'empty while the root has not arrived',
    start_time DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    end_time DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    status LowCardinality(String) COMMENT 'open: the root span has not arrived; closed',
    outcome LowCardinality(String) COMMENT 'task outcome as reported; empty when not',
    service_name LowCardinality(String),
    environment LowCardinality(String),
    agent_name LowCardinality(String) COMMENT 'the outermost agent',
    agents Array(LowCardinality(String)),
    models Array(LowCardinality(String)),
    session_id String,
    user_id String,
    task_id String,
    span_count UInt32,
    error_count UInt32 COMMENT 'spans with status error',
    llm_calls UInt32 COMMENT 'ledger entries of kind llm',
    embedding_calls UInt32,
    tool_calls UInt32,
    unpriced_calls UInt32 COMMENT 'usage known, price not',
    calls_without_usage UInt32,
    input_tokens UInt64,
    cache_read_tokens UInt64,
    cache_write_tokens UInt64,
    output_tokens UInt64,
    reasoning_tokens UInt64,
    total_cost_usd Nullable(Decimal(38, 12)) COMMENT 'sum of what is priced; NULL when nothing is',
    is_deleted UInt8,
    version UInt64,
    duration_ns UInt64 ALIAS greatest(0, toUnixTimestamp64Nano(end_time) - toUnixTimestamp64Nano(start_time)),
    INDEX trajectory_id_bloom trajectory_id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(start_time)
ORDER BY (project, toStartOfHour(start_time), trajectory_id)
SETTINGS non_replicated_deduplication_window = 10000, old_parts_lifetime = 480
