-- Write traces anew whose cost is not the sum of their ledger entries.
-- Parameters: project; first_hour, last_hour (UTC hours, UNIX seconds, both inclusive) in which the
--   traces start; last_entry_hour: the newest hour in which one of them ends; version: newer
--   than any that a running worker has read.
-- Result: none; traces without any ledger entry are left as they are.
-- Relies on the sort keys of traces (project, start hour, ...) and ledger (project, start
-- hour, ...).
INSERT INTO traces
SELECT
    t.* REPLACE (
        l.cost AS total_cost_usd,
        l.inference AS inference_cost_usd,
        l.tools AS tool_cost_usd,
        l.dearest AS main_model,
        l.unpriced AS unpriced_calls,
        greatest({version:UInt64}, t.version + 1) AS version
    )
FROM
(
    SELECT *
    FROM traces FINAL
    WHERE project = {project:String}
        AND toStartOfHour(start_time) >= toDateTime({first_hour:UInt32}, 'UTC')
        AND toStartOfHour(start_time) <= toDateTime({last_hour:UInt32}, 'UTC')
        AND is_deleted = 0
) AS t
INNER JOIN
(
    SELECT
        trace_id,
        sum(of_model.cost) AS cost,
        sum(of_model.inference) AS inference,
        sum(of_model.tools) AS tools,
        toUInt32(sum(of_model.unpriced)) AS unpriced,
        argMinIf(toString(model), (-of_model.inference, -calls, model), model != '' AND calls > 0) AS dearest
    FROM
    (
        SELECT
            trace_id,
            model,
            sum(total_cost_usd) AS cost,
            sumIf(ifNull(total_cost_usd, 0), kind IN ('llm', 'embedding')) AS inference,
            sumIf(ifNull(total_cost_usd, 0), kind = 'tool') AS tools,
            toInt64(countIf(kind IN ('llm', 'embedding'))) AS calls,
            countIf(usage_source != 'none' AND price_status = 'unpriced') AS unpriced
        FROM ledger FINAL
        WHERE project = {project:String}
            AND toStartOfHour(time) >= toDateTime({first_hour:UInt32}, 'UTC')
            AND toStartOfHour(time) <= toDateTime({last_entry_hour:UInt32}, 'UTC')
            AND is_deleted = 0
            AND trace_id IN
            (
                SELECT trace_id
                FROM traces
                WHERE project = {project:String}
                    AND toStartOfHour(start_time) >= toDateTime({first_hour:UInt32}, 'UTC')
                    AND toStartOfHour(start_time) <= toDateTime({last_hour:UInt32}, 'UTC')
            )
        GROUP BY trace_id, model
    ) AS of_model
    GROUP BY trace_id
) AS l ON t.trace_id = l.trace_id
WHERE (t.total_cost_usd IS NULL) != (l.cost IS NULL)
    OR ifNull(t.total_cost_usd != l.cost, 0)
    OR t.unpriced_calls != l.unpriced
    OR t.inference_cost_usd != l.inference
    OR t.tool_cost_usd != l.tools
    OR t.main_model != l.dearest
SETTINGS max_partitions_per_insert_block = 0
