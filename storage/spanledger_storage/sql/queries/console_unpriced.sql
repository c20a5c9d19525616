-- Which calls have no price, and why?
-- Parameters: project, from, to: as in the pickers above.
-- Columns: provider, model, price_status, usage_source, calls, input_tokens, output_tokens (of those
-- that report them). One row per provider, model and reason.
-- Sort key used: (project, toStartOfHour(time)) of the ledger.
SELECT
    provider,
    model,
    price_status,
    usage_source,
    count() AS calls,
    sum(ledger_current.input_tokens) AS input_tokens,
    sum(ledger_current.output_tokens) AS output_tokens
FROM ledger_current
WHERE project = {project:String}
    AND time >= {from:DateTime} AND time < {to:DateTime}
    AND total_cost_usd IS NULL
    AND kind IN ('llm', 'embedding')
GROUP BY provider, model, price_status, usage_source
ORDER BY calls DESC
