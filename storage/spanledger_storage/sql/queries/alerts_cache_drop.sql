-- By how much did the share of input that is read from caches fall?
-- Parameters: project; t: end of the window; window_h: its hours, the current one among them; history_h:
-- hours before that are usual.
-- Columns: provider, model, agent, value (usual share less that of the window), baseline (usual
-- share), points (calls of the window). One row per provider, model and agent that was there before.
-- Sort key used: usage_hourly (project, hour).
WITH toStartOfHour({t:DateTime64(9, 'UTC')}) - toIntervalHour({window_h:UInt32} - 1) AS began
SELECT
    provider,
    model,
    agent_name AS agent,
    baseline - sumIf(cache_read_tokens, hour >= began) / sumIf(input_tokens, hour >= began) AS value,
    sumIf(cache_read_tokens, hour < began) / sumIf(input_tokens, hour < began) AS baseline,
    sumIf(calls, hour >= began) AS points
FROM usage_hourly FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND kind = 'llm'
    AND hour >= began - toIntervalHour({history_h:UInt32})
    AND hour < {t:DateTime64(9, 'UTC')}
GROUP BY provider, model, agent
HAVING sumIf(input_tokens, hour >= began) > 0 AND sumIf(input_tokens, hour < began) > 0
