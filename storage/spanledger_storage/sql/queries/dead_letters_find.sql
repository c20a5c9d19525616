-- Which dead letters have an id that begins so? Parameters: prefix (of the id), in hex.
-- Result: every column of at most two letters, the body in base64, received_ns in ns since 1970;
-- two rows mean that the prefix is not enough. Relies on dead_letters being few.
SELECT
    project,
    letter_id,
    signal,
    state,
    toUnixTimestamp64Nano(received_at) AS received_ns,
    spool_id,
    seq,
    items,
    bytes,
    reason,
    base64Encode(body) AS body_base64,
    version
FROM dead_letters FINAL
WHERE startsWith(letter_id, {prefix:String})
ORDER BY letter_id
LIMIT 2
