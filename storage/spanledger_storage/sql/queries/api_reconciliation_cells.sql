-- Which cells of reconciliations match the filters, the newest day first, from one place on?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the start of the day; after_ns,
--   after_id: start of the day (unix ns) and id of the row to go on from, below zero: from the newest;
--   filters (empty: not filtered): provider, model, scope, token_class, cause (a cell that has it),
--   beyond (1: only cells beyond tolerance); slice, slices: one of so many parts, by id; page_rows.
-- Columns: time (start of the day), those of reconciliation_cells but project, day, evidence,
--   is_deleted and version, and variance_usd (billed less ledger). One row per cell.
-- Sort key used: (project, day, provider, cell_id).
SELECT
    toDateTime64(toDateTime(day, 'UTC'), 3, 'UTC') AS time,
    cell_id,
    toString(provider) AS provider,
    toString(token_class) AS token_class,
    scope,
    api_key,
    model,
    processing,
    service_tier,
    context,
    geo,
    ledger_quantity,
    usage_quantity,
    billed_quantity,
    ledger_usd,
    billed_usd,
    billed_usd - ledger_usd AS variance_usd,
    volume_usd,
    price_usd,
    CAST(is_within_tolerance, 'Bool') AS is_within_tolerance,
    CAST(is_final, 'Bool') AS is_final,
    causes
FROM reconciliation_cells FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND day >= toDate(toDateTime({from_s:Int64}, 'UTC'))
    AND toDateTime(day, 'UTC') >= toDateTime({from_s:Int64}, 'UTC')
    AND toDateTime(day, 'UTC') < toDateTime({to_s:Int64}, 'UTC')
    AND (
        {after_ns:Int64} < 0
        OR (toInt64(toUnixTimestamp(toDateTime(day, 'UTC'))) * 1000000000, cell_id) < ({after_ns:Int64}, {after_id:String})
    )
    AND ({provider:String} = '' OR provider = {provider:String})
    AND ({model:String} = '' OR model = {model:String})
    AND ({scope:String} = '' OR scope = {scope:String})
    AND ({token_class:String} = '' OR token_class = {token_class:String})
    AND ({cause:String} = '' OR has(causes.cause, {cause:String}))
    AND ({beyond:UInt8} = 0 OR reconciliation_cells.is_within_tolerance = 0)
    AND cityHash64(cell_id) % {slices:UInt64} = {slice:UInt64}
ORDER BY day DESC, cell_id DESC
LIMIT {page_rows:UInt64}
