-- What do a provider's cells of some days add up to, without those of invoice totals?
-- Parameters: project; first_day, last_day (both included).
-- Columns: provider, billed_usd, ledger_usd, is_final (1: every cell). One row per provider.
-- Relies on the sort key of reconciliation_cells (project, day, provider, ...).
SELECT
    toString(reconciliation_cells.provider) AS provider,
    sum(reconciliation_cells.billed_usd) AS billed_usd,
    sum(reconciliation_cells.ledger_usd) AS ledger_usd,
    min(reconciliation_cells.is_final) AS is_final
FROM reconciliation_cells FINAL
WHERE project = {project:String}
    AND day >= {first_day:Date}
    AND day <= {last_day:Date}
    AND is_deleted = 0
    AND token_class != 'invoice_total'
GROUP BY provider
ORDER BY provider
