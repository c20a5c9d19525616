-- What did each GPU cost, and where did it go?
-- Parameters: project; from_s, to_s: unix seconds, half open.
-- Columns: gpu, mig, host, gpu_index, model, seconds (paid for), cost_usd and its parts:
--   attributed_usd, priced_usd, idle_usd, warm_up_usd, overhead_usd, kept_usd; price_id and method (how
--   the busy share is known), the newest of several. One row per GPU or MIG instance, dearest first; mig
--   empty: all of a GPU, or the slices no instance has.
-- Sort key used: gpu_attribution (project, hour, gpu, mig, ...).
SELECT
    gpu,
    mig,
    any(host) AS host,
    any(gpu_index) AS gpu_index,
    any(model) AS model,
    sum(window_seconds) AS seconds,
    sum(cost) AS cost_usd,
    sum(attributed) AS attributed_usd,
    sum(priced) AS priced_usd,
    sum(idle) AS idle_usd,
    sum(warm_up) AS warm_up_usd,
    sum(overhead) AS overhead_usd,
    sum(kept) AS kept_usd,
    argMax(price_id, start) AS price_id,
    argMax(method, start) AS method
FROM
(
    SELECT
        gpu,
        mig,
        start,
        any(host) AS host,
        any(gpu_index) AS gpu_index,
        any(model) AS model,
        any(seconds) AS window_seconds,
        sum(cost_usd) AS cost,
        sumIf(cost_usd, line = 'attributed') AS attributed,
        sumIf(cost_usd, line = 'priced') AS priced,
        sumIf(cost_usd, line = 'idle') AS idle,
        sumIf(cost_usd, line = 'warm_up') AS warm_up,
        sumIf(cost_usd, line = 'overhead') AS overhead,
        sumIf(cost_usd, line = 'kept') AS kept,
        any(price_id) AS price_id,
        any(method) AS method
    FROM gpu_attribution FINAL
    WHERE project = {project:String}
        AND toStartOfHour(start) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
        AND start >= toDateTime({from_s:Int64}, 'UTC')
        AND start < toDateTime({to_s:Int64}, 'UTC')
        AND is_deleted = 0
    GROUP BY gpu, mig, start
)
GROUP BY gpu, mig
ORDER BY sum(cost) DESC, gpu, mig
SETTINGS prefer_column_name_to_alias = 1
