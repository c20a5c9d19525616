-- How many calls of models did each of these traces make, and how many of them failed?
-- Parameters: project; hours (UTC start hours, UNIX seconds) and trace_ids, two lists of one length:
--   pair i is one hour in which one trace has spans.
-- Columns: trace_id, ok, failed. One row per trace and batch of pairs.
-- Sort key used: ledger (project, start hour, trace_id, ...).
SELECT
    trace_id,
    countIf(status != 'error') AS ok,
    countIf(status = 'error') AS failed
FROM ledger_current
WHERE project = {project:String}
    AND (toStartOfHour(time), trace_id) IN (
        SELECT toDateTime(pair.1, 'UTC'), pair.2
        FROM (SELECT arrayJoin(arrayZip({hours:Array(UInt32)}, {trace_ids:Array(String)})) AS pair)
    )
    AND kind = 'llm'
GROUP BY trace_id
