-- Which cells of a project's days are stored?
-- Parameters: project; first, last (days, both inclusive); provider (empty: all).
-- Columns: those of reconciliation_cells but is_deleted and day; day_number (days since 1970). One
--   row per cell, by day, provider and size of the difference.
-- Sort key used: reconciliation_cells (project, day, provider, cell_id).
SELECT * EXCEPT (is_deleted, day), toUInt32(day) AS day_number
FROM reconciliation_cells FINAL
WHERE project = {project:String}
    AND day >= {first:Date}
    AND day <= {last:Date}
    AND is_deleted = 0
    AND ({provider:String} = '' OR provider = {provider:String})
ORDER BY day, provider, abs(billed_usd - ledger_usd) DESC, cell_id
