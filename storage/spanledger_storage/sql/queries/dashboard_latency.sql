-- How long did calls take, over time and by model?
-- Parameters: project; within, name: only entries whose column "within" holds "name" (project and
-- the project: all of them); from_s, to_s: unix seconds, half open; bucket_s: seconds.
-- Columns: part (all, bucket, model), bucket_s (its start, unix; 0 unless part is bucket), model
-- (empty unless part is model), calls (whose own duration is known), latency (p50, p95, p99 in ns,
-- interpolated), streamed_calls (with a time to first token), ttft (p50, p95, p99 in ns; NaN: none),
-- tokens_per_s (median of output tokens per second of a call; NaN: none). One row per bucket, one
-- per model, one over all; none without calls.
-- What metrics and summed-up agents tell of has no duration of its own and is left out.
-- Sort key used: (project, toStartOfHour(time)).
WITH
    intDiv(toUnixTimestamp(time), {bucket_s:UInt32}) * {bucket_s:UInt32} AS bucket
SELECT
    multiIf(grouping(bucket) = 0, 'bucket', grouping(model) = 0, 'model', 'all') AS part,
    bucket AS bucket_s,
    model,
    count() AS calls,
    quantilesExactInclusive(0.5, 0.95, 0.99)(toFloat64(duration_ns)) AS latency,
    countIf(ttft_ns IS NOT NULL) AS streamed_calls,
    quantilesExactInclusiveIf(0.5, 0.95, 0.99)(toFloat64(assumeNotNull(ttft_ns)), ttft_ns IS NOT NULL) AS ttft,
    quantileExactInclusiveIf(0.5)(assumeNotNull(output_tokens) * 1e9 / duration_ns, output_tokens > 0) AS tokens_per_s
FROM ledger_current
WHERE project = {project:String}
    AND time >= toDateTime({from_s:Int64}, 'UTC')
    AND time < toDateTime({to_s:Int64}, 'UTC')
    AND {within:Identifier} = {name:String}
    AND kind IN ('llm', 'embedding')
    AND duration_ns > 0
    AND usage_source NOT IN ('metric', 'aggregate')
GROUP BY GROUPING SETS ((bucket), (model), ())
HAVING calls > 0
ORDER BY part, bucket_s, calls DESC, model
