-- Which providers count calls over midnight on the day they ended, as days before a day showed?
-- Parameters: project; first_day: of the 31 days before it.
-- Columns: provider (as its reports call it). One row per provider, by name.
-- Relies on the sort key of reconciliation_cells (project, day, ...).
SELECT DISTINCT toString(provider) AS provider
FROM reconciliation_cells FINAL
WHERE project = {project:String}
    AND day >= {first_day:Date} - 31
    AND day < {first_day:Date}
    AND is_deleted = 0
    AND arrayExists(share -> share.cause = 'day_boundary' AND share.confidence = 'high' AND share.evidence_count > 0, causes)
ORDER BY provider
