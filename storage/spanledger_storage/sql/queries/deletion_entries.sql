-- What does the ledger say about these traces and entries?
-- Parameters: project; trace_ids; entry_ids.
-- Result: the rows that hold, with all columns but is_deleted.
-- Relies on the index of trace ids in ledger.
SELECT * EXCEPT (is_deleted)
FROM ledger FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND (
        (trace_id != '' AND trace_id IN {trace_ids:Array(String)})
        OR (trace_id = '' AND entry_id IN {entry_ids:Array(String)})
    )
