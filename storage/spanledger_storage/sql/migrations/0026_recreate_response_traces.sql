-- Which traces mention a provider's response id: two spans with one id are one call (rule R3).
-- Ids are looked up by the thousand, and lie scattered. With the hour first, a look-up touches the
-- hours in question and not the whole history; and short numbers are far cheaper to search for in
-- the index than texts. A hash that two ids share only makes the jobs look at a trace in vain.
CREATE OR REPLACE TABLE response_traces
(
    project LowCardinality(String),
    hour DateTime('UTC') COMMENT 'start hour of the span',
    id_hash UInt64 COMMENT 'cityHash64 of the response id',
    trace_id String
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (project, hour, id_hash, trace_id)
SETTINGS non_replicated_deduplication_window = 10000, old_parts_lifetime = 480, index_granularity = 512
