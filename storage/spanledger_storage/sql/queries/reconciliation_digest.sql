-- Are the cells of some days the same as when they were looked at before?
-- Parameters: project; first_day, last_day (both included); provider: empty: all.
-- Columns: digest (of the ids and versions of all cells; 0: there are no cells). One row. No newest
--   version tells it: several days of one run share one, and writers' clocks differ.
-- Relies on the sort key of reconciliation_cells (project, day, provider, ...).
SELECT reinterpretAsInt64(groupBitXor(sipHash64(cell_id, version))) AS digest
FROM reconciliation_cells FINAL
WHERE project = {project:String}
    AND day >= {first_day:Date}
    AND day <= {last_day:Date}
    AND is_deleted = 0
    AND ({provider:String} = '' OR provider = {provider:String})
