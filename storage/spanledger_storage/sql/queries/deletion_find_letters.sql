-- Which dead letters hold any of these byte sequences?
-- Parameters: project; needles: hex.
-- Result: letter_id; one row per letter, whatever its state.
-- Relies on the sort key of dead_letters (project, letter_id); reads every body of the project.
SELECT DISTINCT letter_id
FROM dead_letters
WHERE project = {project:String}
    AND arrayExists(needle -> position(body, unhex(needle)) > 0, {needles:Array(String)})
ORDER BY letter_id
