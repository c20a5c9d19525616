-- One row per finding: something that wastes money or is not as it was, with what it cost and the
-- spans that show it. Jobs find anew what changed and replace it; what people say of a finding is
-- in the state database, by its id.
CREATE TABLE IF NOT EXISTS findings
(
    project LowCardinality(String),
    finding_id String COMMENT '32 hex digits of what it is about: the same whenever it is found again',
    kind LowCardinality(String) COMMENT 'loop silent_failure error_cascade context_bloat latency_growth amplification cost_anomaly drift regression',
    code LowCardinality(String) COMMENT 'which rule found it: names in docs/findings.md',
    severity LowCardinality(String) COMMENT 'info warning critical',
    is_sure UInt8 COMMENT '0: little history or an estimate says so',
    title String COMMENT 'one line',
    explanation String COMMENT 'what happened, why it is said, what to do',
    first_seen DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    last_seen DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    detected_at DateTime64(9, 'UTC') COMMENT 'when a job first found it',
    is_open UInt8 COMMENT '1: what it is about had not ended when it was looked at last',
    trace_id String COMMENT 'the trace to open; empty: it is about no single one',
    session_id String,
    user_id String,
    agent_name LowCardinality(String),
    agent_version LowCardinality(String),
    model LowCardinality(String),
    tool_name LowCardinality(String),
    pattern String COMMENT 'what findings of one cause share: a false alarm mutes its pattern',
    evidence Array(Tuple(trace_id String, span_id String)) COMMENT 'spans that show it, in order, at most 1,000' CODEC(ZSTD(3)),
    evidence_count UInt64 COMMENT 'how many there are',
    direct_usd Nullable(Decimal(38, 12)) COMMENT 'what the wasted spans cost; NULL: unknown',
    carried_usd Nullable(Decimal(38, 12)) COMMENT 'estimate: what later calls paid for carrying them along',
    avoidable_usd Nullable(Decimal(38, 12)) COMMENT 'what stopping at the first warning would have saved',
    wasted_ns UInt64 COMMENT 'time that the wasted spans took',
    details String COMMENT 'JSON: figures of the kind, described in docs/findings.md' CODEC(ZSTD(3)),
    is_deleted UInt8,
    version UInt64,
    INDEX finding_id_bloom finding_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX trace_id_bloom trace_id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(first_seen)
ORDER BY (project, toStartOfHour(first_seen), kind, finding_id)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000, old_parts_lifetime = 480
