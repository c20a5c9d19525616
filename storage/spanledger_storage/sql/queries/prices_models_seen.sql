-- Which models were called, and how much of it has no price, over all projects?
-- Parameters: from_s: unix seconds, calls from then on.
-- Columns: provider, model (the response's, else the request's), calls, unpriced_calls (usage is
-- known, the price is not), unpriced_tokens (input and output of these), reasons (flags that say
-- why), first_s (start of the first unpriced call, unix seconds; 0: none).
-- One row per provider and model; most unpriced calls first.
-- Sort key used: none, the months from from_s on are read.
WITH price_status = 'unpriced' AND usage_source != 'none' AS is_unpriced
SELECT
    provider,
    model,
    count() AS calls,
    countIf(is_unpriced) AS unpriced_calls,
    sumIf(ifNull(ledger_current.input_tokens, 0) + ifNull(ledger_current.output_tokens, 0), is_unpriced) AS unpriced_tokens,
    arraySort(
        arrayIntersect(
            groupUniqArrayArrayIf(flags, is_unpriced),
            ['unknown_model', 'missing_rate', 'tier_undecided', 'no_exchange_rate', 'inconsistent_usage', 'unknown_requests']
        )
    ) AS reasons,
    toUnixTimestamp(minIf(time, is_unpriced)) AS first_s
FROM ledger_current
WHERE time >= toDateTime64({from_s:Int64}, 9, 'UTC') AND kind IN ('llm', 'embedding')
GROUP BY provider, model
ORDER BY unpriced_calls DESC, calls DESC, provider, model
