-- What did each inference worker and model cost and do?
-- Parameters: project; from_s, to_s: unix seconds, half open; whole hours are read.
-- Columns: worker, model, engine, then sums: requests, requests_without_tokens, uncached_tokens,
--   cache_read_tokens, output_tokens, prefill_cost_usd, decode_cost_usd, priced_cost_usd,
--   unattributed_cost_usd. One row per worker and model, dearest first.
-- Sort key used: gpu_worker_hours (project, hour, worker, model).
SELECT
    worker,
    model,
    any(engine) AS engine,
    sum(requests) AS requests,
    sum(requests_without_tokens) AS requests_without_tokens,
    sum(uncached_tokens) AS uncached_tokens,
    sum(cache_read_tokens) AS cache_read_tokens,
    sum(output_tokens) AS output_tokens,
    sum(prefill_cost_usd) AS prefill_cost_usd,
    sum(decode_cost_usd) AS decode_cost_usd,
    sum(priced_cost_usd) AS priced_cost_usd,
    sum(unattributed_cost_usd) AS unattributed_cost_usd
FROM gpu_worker_hours FINAL
WHERE project = {project:String}
    AND hour >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
    AND hour < toDateTime({to_s:Int64}, 'UTC')
    AND is_deleted = 0
GROUP BY worker, model
ORDER BY sum(prefill_cost_usd + decode_cost_usd + unattributed_cost_usd) DESC, worker, model
SETTINGS prefer_column_name_to_alias = 1
