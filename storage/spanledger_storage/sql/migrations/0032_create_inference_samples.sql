-- What inference workers told, one row per worker, model, rank and second, whatever the engine.
-- Counters and histograms are cumulative since started; a smaller value is a new start.
CREATE TABLE IF NOT EXISTS inference_samples
(
    project LowCardinality(String),
    worker LowCardinality(String) COMMENT 'service.instance.id: host and port',
    model LowCardinality(String),
    rank LowCardinality(String) COMMENT 'of data parallel engines behind one worker',
    time DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    engine LowCardinality(String) COMMENT 'vllm sglang tgi tensorrt-llm triton llama.cpp',
    service_name LowCardinality(String),
    host LowCardinality(String),
    pod LowCardinality(String),
    namespace LowCardinality(String),
    started Nullable(DateTime64(3, 'UTC')) COMMENT 'when the counters began, as far as is known',
    is_up Nullable(Bool) COMMENT 'whether it answered with metrics',
    requests_running Nullable(Float64),
    requests_waiting Nullable(Float64),
    kv_cache_ratio Nullable(Float32) COMMENT 'share of the KV cache in use',
    cache_hit_ratio Nullable(Float32) COMMENT 'where the engine tells no counters of it',
    requests Nullable(Float64) COMMENT 'finished',
    preemptions Nullable(Float64),
    input_tokens Nullable(Float64),
    output_tokens Nullable(Float64),
    cache_queried_tokens Nullable(Float64) COMMENT 'looked for in the prefix cache',
    cache_hit_tokens Nullable(Float64) COMMENT 'found in it',
    busy_seconds Nullable(Float64) COMMENT 'in which the model ran',
    prefill_seconds Nullable(Float64) COMMENT 'of requests, which overlap: a weight, no time',
    decode_seconds Nullable(Float64) COMMENT 'the same',
    ttft_bounds Array(Float64) COMMENT 'seconds to the first token: upper bounds but the last',
    ttft_counts Array(UInt64) COMMENT 'one more than bounds',
    tpot_bounds Array(Float64) COMMENT 'seconds per output token, means of requests',
    tpot_counts Array(UInt64),
    itl_bounds Array(Float64) COMMENT 'seconds between tokens',
    itl_counts Array(UInt64),
    latency_bounds Array(Float64) COMMENT 'seconds per request',
    latency_counts Array(UInt64),
    queue_bounds Array(Float64) COMMENT 'seconds a request waited',
    queue_counts Array(UInt64)
)
ENGINE = CoalescingMergeTree
PARTITION BY toYYYYMMDD(time)
ORDER BY (project, toStartOfHour(time), worker, model, rank, time)
SETTINGS non_replicated_deduplication_window = 10000, old_parts_lifetime = 480
