-- How new is the newest cell of some days, those that are gone among them?
-- Parameters: project; first_day, last_day (both included); provider: empty: all.
-- Columns: version (UTC nanoseconds; 0: there are no cells). One row.
-- Relies on the sort key of reconciliation_cells (project, day, provider, ...).
SELECT max(reconciliation_cells.version) AS version
FROM reconciliation_cells
WHERE project = {project:String}
    AND day >= {first_day:Date}
    AND day <= {last_day:Date}
    AND ({provider:String} = '' OR provider = {provider:String})
