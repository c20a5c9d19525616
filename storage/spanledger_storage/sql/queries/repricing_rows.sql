-- What are the whole rows of these entries?
-- Parameters: project; first_hour, last_hour (UTC start hours, UNIX seconds, both inclusive);
--   from_ns, to_ns (UTC nanoseconds, half open); is_narrowed (1: only these names), providers,
--   models, request_models (three lists of one length); parts, part: of an hour with very many
--   entries, the part-th of so many equal parts; reasons: names of the flags that say why an entry
--   is unpriced.
-- Result: one row per model call that holds, with all its columns but is_deleted; reason: why it is
--   unpriced.
-- Relies on the sort key of ledger (project, start hour, trace_id, entry_id).
SELECT
    * EXCEPT (is_deleted),
    arrayFirst(flag -> has({reasons:Array(String)}, flag), flags) AS reason
FROM ledger FINAL
WHERE project = {project:String}
    AND toStartOfHour(time) >= toDateTime({first_hour:UInt32}, 'UTC')
    AND toStartOfHour(time) <= toDateTime({last_hour:UInt32}, 'UTC')
    AND time >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')
    AND time < fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
    AND (
        {is_narrowed:UInt8} = 0
        OR (provider, model, request_model) IN (
            SELECT name.1, name.2, name.3
            FROM
            (
                SELECT arrayJoin(
                    arrayZip(
                        {providers:Array(String)},
                        {models:Array(String)},
                        {request_models:Array(String)}
                    )
                ) AS name
            )
        )
    )
    AND cityHash64(entry_id) % {parts:UInt32} = {part:UInt32}
    AND kind IN ('llm', 'embedding')
    AND is_deleted = 0
