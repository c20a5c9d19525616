-- What did inference workers do, over time?
-- Parameters: project; from_s, to_s: unix seconds, half open; bucket_s; worker: only this one, ''
--   for all.
-- Columns: worker, model, engine, service_name, host, pod, bucket_s (start), newest_s;
--   requests_running, requests_waiting, kv_cache_ratio, cache_hit_ratio (means of the bucket, ranks
--   added up; the last where the engine tells no counters), newest_running, newest_waiting,
--   newest_kv_cache_ratio; requests, preemptions, input_tokens, output_tokens,
--   cache_queried_tokens, cache_hit_tokens, busy_seconds (counted in the bucket; NULL: the engine
--   does not tell), seconds (that they were counted over); ttft, tpot, itl: bounds (seconds) and
--   counts of the histograms of the bucket. One row per worker, model and bucket with samples.
--   Counters are differences to the sample before, up to two minutes before the range; a smaller
--   value, and counters that began since that sample, count in full.
-- Sort key used: (project, toStartOfHour(time), worker).
WITH
    read AS
    (
        SELECT
            *,
            [
                requests, preemptions, input_tokens, output_tokens, cache_queried_tokens,
                cache_hit_tokens, busy_seconds
            ] AS counts,
            arrayMap(
                group -> arrayMap(n -> toFloat64(n), group), [ttft_counts, tpot_counts, itl_counts]
            ) AS groups
        FROM inference_samples FINAL
        WHERE project = {project:String}
            AND toStartOfHour(time) >= toStartOfHour(toDateTime({from_s:Int64} - 120, 'UTC'))
            AND time >= toDateTime({from_s:Int64} - 120, 'UTC')
            AND time < toDateTime({to_s:Int64}, 'UTC')
            AND ({worker:String} = '' OR worker = {worker:String})
            AND NOT (isNull(requests_running) AND isNull(output_tokens) AND isNull(requests))
    ),
    compared AS
    (
        SELECT
            *,
            lagInFrame(counts) OVER series AS counts_before,
            lagInFrame(groups) OVER series AS groups_before,
            lagInFrame(toNullable(time)) OVER series AS time_before,
            ifNull(
                if(
                    isNull(time_before),
                    started >= toDateTime({from_s:Int64}, 'UTC') AND started < time,
                    started > time_before
                ),
                false
            ) AS is_anew
        FROM read
        WINDOW series AS
        (
            PARTITION BY worker, model, rank ORDER BY time ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
        )
    ),
    counted AS
    (
        SELECT
            * EXCEPT (counts, groups),
            arrayMap(
                (n, i) -> multiIf(
                    isNull(n) OR is_anew, n,
                    isNull(time_before), 0,
                    isNull(counts_before[i]) OR n < counts_before[i], n,
                    n - counts_before[i]
                ),
                counts, arrayEnumerate(counts)
            ) AS deltas,
            arrayMap(
                (group, i) -> multiIf(
                    is_anew, group,
                    isNull(time_before) OR length(groups_before[i]) != length(group),
                        arrayMap(n -> 0., group),
                    arrayExists((n, m) -> n < m, group, groups_before[i]), group,
                    arrayMap((n, m) -> n - m, group, groups_before[i])
                ),
                groups, arrayEnumerate(groups)
            ) AS grown
        FROM compared
        WHERE time >= toDateTime({from_s:Int64}, 'UTC')
    ),
    summed AS
    (
        SELECT
            worker,
            model,
            time,
            anyLast(engine) AS engine,
            anyLast(service_name) AS service_name,
            anyLast(host) AS host,
            anyLast(pod) AS pod,
            sum(requests_running) AS running,
            sum(requests_waiting) AS waiting,
            avg(kv_cache_ratio) AS kv,
            avg(cache_hit_ratio) AS hit,
            sumForEach(deltas) AS deltas,
            any(ttft_bounds) AS ttft_bounds,
            any(tpot_bounds) AS tpot_bounds,
            any(itl_bounds) AS itl_bounds,
            sumForEach(grown[1]) AS ttft,
            sumForEach(grown[2]) AS tpot,
            sumForEach(grown[3]) AS itl,
            max(toInt64(time) - toInt64(if(is_anew, toDateTime(started), time_before))) AS seconds
        FROM counted
        GROUP BY worker, model, time
    )
SELECT
    worker,
    model,
    anyLast(engine) AS engine,
    anyLast(service_name) AS service_name,
    anyLast(host) AS host,
    anyLast(pod) AS pod,
    {from_s:Int64} + intDiv(toInt64(toUnixTimestamp(time)) - {from_s:Int64}, {bucket_s:Int64})
        * {bucket_s:Int64} AS bucket_s,
    toUnixTimestamp(max(time)) AS newest_s,
    avg(running) AS requests_running,
    avg(waiting) AS requests_waiting,
    avg(kv) AS kv_cache_ratio,
    avg(hit) AS cache_hit_ratio,
    argMax(running, time) AS newest_running,
    argMax(waiting, time) AS newest_waiting,
    argMax(kv, time) AS newest_kv_cache_ratio,
    sum(deltas[1]) AS requests,
    sum(deltas[2]) AS preemptions,
    sum(deltas[3]) AS input_tokens,
    sum(deltas[4]) AS output_tokens,
    sum(deltas[5]) AS cache_queried_tokens,
    sum(deltas[6]) AS cache_hit_tokens,
    sum(deltas[7]) AS busy_seconds,
    ifNull(sum(seconds), 0) AS seconds,
    any(ttft_bounds) AS ttft_bounds,
    sumForEach(ttft) AS ttft_counts,
    any(tpot_bounds) AS tpot_bounds,
    sumForEach(tpot) AS tpot_counts,
    any(itl_bounds) AS itl_bounds,
    sumForEach(itl) AS itl_counts
FROM summed
GROUP BY worker, model, bucket_s
ORDER BY worker, model, bucket_s
SETTINGS prefer_column_name_to_alias = 1
