-- How many calls of models do requests of each agent need?
-- Parameters: project; from_s and to_s: UTC seconds, half open, of their starts; fewest: traces below
--   which nothing is said of an agent.
-- Result: one row per outermost agent: number of its closed traces; p99 of their calls, and of fewer
--   than 300 traces the third largest, so that a runaway or two do not become what is usual.
-- Relies on the sort key of traces (project, start hour, trace_id).
SELECT
    agent_name AS agent,
    count() AS traces,
    if(
        traces < 300,
        -groupArraySorted(3)(-toInt64(llm_calls))[3],
        toInt64(quantileExact(0.99)(llm_calls))
    ) AS p99
FROM traces FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND status = 'closed'
    AND start_time >= toDateTime({from_s:Int64}, 'UTC')
    AND start_time < toDateTime({to_s:Int64}, 'UTC')
GROUP BY agent
HAVING traces >= {fewest:UInt32}
