-- Which share of the calls to each provider failed?
-- Parameters: project; t: end of the window; window_s: its length in seconds.
-- Columns: provider, value (share of calls that failed), baseline (the same of the week before; NULL: no
-- calls), points (calls), usd (what the failed ones cost; NULL: nothing), explanation (the most frequent
-- errors), trace_ids (of some that failed). One row per provider; calls that only metrics tell of are left
-- out.
-- The week before comes from hourly usage, in which calls that only metrics tell of count as well.
-- Sort key used: ledger (project, hour); usage_hourly (project, hour).
SELECT
    now.*,
    usual.ratio AS baseline
FROM (
    SELECT
        provider,
        countIf(status = 'error') / count() AS value,
        count() AS points,
        nullIf(sumIf(total_cost_usd, status = 'error'), 0) AS usd,
        arrayStringConcat(
            arrayMap(
                pair -> concat(toString(pair.2), ' × ', if(pair.1 = '', 'an error without a type', pair.1)),
                arraySlice(
                    arraySort(
                        pair -> (-toInt64(pair.2), pair.1),
                        sumMapIf(map(toString(error_type), toUInt64(1)), status = 'error')::Array(Tuple(String, UInt64))
                    ),
                    1, 3
                )
            ),
            ', '
        ) AS explanation,
        groupUniqArrayIf(3)(trace_id, status = 'error' AND trace_id != '') AS trace_ids
    FROM ledger_current
    WHERE project = {project:String}
        AND kind IN ('llm', 'embedding')
        AND usage_source NOT IN ('metric', 'aggregate')
        AND time >= {t:DateTime64(9, 'UTC')} - toIntervalSecond({window_s:UInt32})
        AND time < {t:DateTime64(9, 'UTC')}
    GROUP BY provider
) AS now
LEFT JOIN (
    SELECT
        provider,
        toNullable(sum(errors) / sum(calls)) AS ratio
    FROM usage_hourly FINAL
    WHERE project = {project:String}
        AND is_deleted = 0
        AND kind IN ('llm', 'embedding')
        AND hour >= toStartOfHour({t:DateTime64(9, 'UTC')}) - toIntervalHour(168)
        AND hour < toStartOfHour({t:DateTime64(9, 'UTC')} - toIntervalSecond({window_s:UInt32}))
    GROUP BY provider
    HAVING sum(calls) > 0
) AS usual USING (provider)
