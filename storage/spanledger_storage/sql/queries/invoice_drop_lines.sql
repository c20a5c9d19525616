-- Removes the lines of an import that failed half way: no day counts them.
-- Parameters: project, import_id.
-- Sort key used: (project, ...); it looks through the project's lines.
DELETE FROM invoice_lines WHERE project = {project:String} AND import_id = {import_id:String}
