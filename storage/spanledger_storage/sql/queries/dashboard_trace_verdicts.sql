-- What should a reader know of the calls of a trace before trusting its sums?
-- Parameters: project; trace_id; hours_s: unix seconds, from dashboard_trace_hours.
-- Columns: calls; retries (attempts beyond the first of each call); merged_calls (seen in more than
-- one span); aggregate_calls (only a sum over calls is known); estimated_calls; disagreeing_calls
-- (their spans told different totals). Exactly one row.
-- Sort key used: (project, toStartOfHour(time), trace_id).
SELECT
    count() AS calls,
    sum(if(ifNull(attempts, 1) > 1, attempts - 1, 0)) AS retries,
    countIf(length(source_spans) > 1) AS merged_calls,
    countIf(usage_source = 'aggregate') AS aggregate_calls,
    countIf(usage_source = 'estimated' OR has(flags, 'estimated_usage')) AS estimated_calls,
    countIf(has(flags, 'views_disagree')) AS disagreeing_calls
FROM ledger_current
WHERE project = {project:String}
    AND toStartOfHour(time) IN (SELECT toDateTime(arrayJoin({hours_s:Array(UInt32)}), 'UTC'))
    AND trace_id = {trace_id:String}
    AND kind IN ('llm', 'embedding')
