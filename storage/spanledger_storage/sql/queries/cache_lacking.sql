-- Which LLM calls of some hours have no row in cache_calls?
-- Parameters: project; from_s and to_s: UTC start hours, UNIX seconds, both included.
-- Result: one row per entry: entry_id, trace_id, hour (UTC start hour, UNIX seconds).
-- Relies on the sort keys of ledger and cache_calls (project, start hour, ...).
SELECT
    entry_id,
    trace_id,
    toUnixTimestamp(toStartOfHour(time)) AS hour
FROM ledger FINAL
WHERE project = {project:String}
    AND toStartOfHour(time) >= toDateTime({from_s:UInt32}, 'UTC')
    AND toStartOfHour(time) <= toDateTime({to_s:UInt32}, 'UTC')
    AND kind = 'llm'
    AND usage_source NOT IN ('aggregate', 'metric')
    AND input_tokens > 0
    AND is_deleted = 0
    AND entry_id NOT IN (
        SELECT cache_calls.entry_id
        FROM cache_calls FINAL
        WHERE cache_calls.project = {project:String}
            AND toStartOfHour(cache_calls.time) >= toDateTime({from_s:UInt32}, 'UTC')
            AND toStartOfHour(cache_calls.time) <= toDateTime({to_s:UInt32}, 'UTC')
            AND cache_calls.is_deleted = 0
    )
