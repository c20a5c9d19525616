-- Forget the keys that traces held whose rows are gone.
-- Parameters: projects: names.
-- Result: none. Keys are written after the row of their trace, so none is taken for an old one.
-- Relies on sort keys that begin with project; reads the trace ids of the projects.
ALTER TABLE trajectory_keys DELETE
WHERE project IN {projects:Array(String)}
    AND (project, trace_id) NOT IN (
        SELECT project, trace_id FROM traces WHERE project IN {projects:Array(String)}
    )
SETTINGS mutations_sync = 1
