-- How many dead letters are open, and since when? Parameters: none.
-- Result: letters, items, oldest (receive time; NULL when there are none), one row.
-- Relies on dead_letters (project, letter_id).
SELECT
    count() AS letters,
    sum(items) AS items,
    if(letters > 0, min(received_at), NULL) AS oldest
FROM dead_letters FINAL
WHERE state = 'open'
