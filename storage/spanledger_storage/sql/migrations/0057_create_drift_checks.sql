-- One row per day, agent, version and feature: whether an agent behaved as it did before. Days are
-- checked once; a check that is made again replaces the row.
CREATE TABLE IF NOT EXISTS drift_checks
(
    project LowCardinality(String),
    day Date COMMENT 'UTC; the day that was looked at, once it was over',
    agent_name LowCardinality(String),
    agent_version LowCardinality(String),
    feature LowCardinality(String) COMMENT 'names in docs/findings.md',
    compared_with LowCardinality(String) COMMENT 'same_version other_versions; empty: there was nothing before',
    verdict LowCardinality(String) COMMENT 'no_drift drift expected not_enough_data',
    trajectories UInt32 COMMENT 'of the day',
    reference_trajectories UInt32 COMMENT 'of the 14 days before',
    actions UInt64 COMMENT 'of the day: what is counted, such as tool calls; of numbers the trajectories',
    reference_actions UInt64,
    statistic Nullable(Float64) COMMENT 'G, or z of Mann and Whitney; NULL: not enough data',
    p_value Nullable(Float64),
    q_value Nullable(Float64) COMMENT 'p after Benjamini and Hochberg, over agents and features of the day',
    effect Nullable(Float64) COMMENT 'Jensen-Shannon distance, or Cliff''s delta with its sign',
    psi Nullable(Float64) COMMENT 'population stability index less what noise gives; NULL: a number',
    usual_effect Nullable(Float64) COMMENT 'psi or delta that single days before reach among themselves; NULL: too few days, or the test found nothing',
    shares String COMMENT 'JSON: share before and now of each action, or quantiles' CODEC(ZSTD(3)),
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(day)
ORDER BY (project, day, agent_name, agent_version, feature)
TTL day + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, old_parts_lifetime = 480
