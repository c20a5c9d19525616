-- Which traces mention a provider's response id: two spans with one id are one call (rule R3).
CREATE TABLE response_traces
(
    project LowCardinality(String),
    response_id String,
    trace_id String
)
ENGINE = ReplacingMergeTree
ORDER BY (project, response_id, trace_id)
SETTINGS non_replicated_deduplication_window = 10000, old_parts_lifetime = 480, index_granularity = 1024
