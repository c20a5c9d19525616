-- How much longer than usual does the first token of each model take?
-- Parameters: project; t: end of the window; window_s: its length in seconds; history_s: seconds before
-- the window that are usual.
-- Columns: provider, model, value (95th percentile of the window over that of the history), baseline (1),
-- points (calls of the window), trace_ids (the slowest). One row per provider and model with at least 100
-- calls before.
-- Sort key used: ledger (project, hour).
WITH {t:DateTime64(9, 'UTC')} - toIntervalSecond({window_s:UInt32}) AS began
SELECT
    provider,
    model,
    quantileIf(0.95)(ttft_ns, time >= began) / quantileIf(0.95)(ttft_ns, time < began) AS value,
    1 AS baseline,
    countIf(time >= began) AS points,
    arrayMap(
        pair -> pair.2,
        groupArraySortedIf(3)((-toInt64(assumeNotNull(ttft_ns)), trace_id), time >= began AND trace_id != '')
    ) AS trace_ids
FROM ledger_current
WHERE project = {project:String}
    AND kind = 'llm'
    AND ttft_ns > 0
    AND time >= began - toIntervalSecond({history_s:UInt32})
    AND time < {t:DateTime64(9, 'UTC')}
GROUP BY provider, model
HAVING points > 0 AND countIf(time < began) >= 100
