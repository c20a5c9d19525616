-- Which dead letters are there, oldest first? Parameters: project, signal, state (each empty: any).
-- Result: letter_id, project, signal, state, received_s (receive time), items, bytes, reason; one
-- row per letter.
-- Relies on dead_letters (project, letter_id).
SELECT
    letter_id,
    project,
    signal,
    state,
    toUnixTimestamp(received_at) AS received_s,
    items,
    bytes,
    reason
FROM dead_letters FINAL
WHERE (project = {project:String} OR {project:String} = '')
    AND (signal = {signal:String} OR {signal:String} = '')
    AND (state = {state:String} OR {state:String} = '')
ORDER BY received_at, letter_id
