-- Where the spans of a trace lie, so that reading one trace never scans the table.
CREATE TABLE trace_hours
(
    project LowCardinality(String),
    trace_id String,
    hour DateTime('UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (project, trace_id, hour)
SETTINGS non_replicated_deduplication_window = 10000, old_parts_lifetime = 480, index_granularity = 1024
