-- Which share of the calls of each model failed?
-- Parameters: project; t: end of the window; window_s: its length in seconds.
-- Columns: provider, model (as it was requested, where that was told: calls that fail tell no other
-- name, while answers tell a dated one), value (share of calls that failed), baseline (the same of the
-- week before; NULL: no calls, or none that was answered), points (calls), usd (what the failed ones
-- cost; NULL: nothing), explanation (the most frequent errors), trace_ids (of some that failed). One row
-- per provider and model; calls that only metrics tell of are left out.
-- The week before comes from hourly usage, by the models that calls of the window are counted under;
-- calls that only metrics tell of count in it as well.
-- Sort key used: ledger (project, hour); usage_hourly (project, hour).
WITH
    entries AS (
        SELECT
            provider,
            model AS counted_as,
            if(request_model = '', model, request_model) AS requested,
            status,
            total_cost_usd,
            error_type,
            trace_id
        FROM ledger_current
        WHERE project = {project:String}
            AND kind IN ('llm', 'embedding')
            AND usage_source NOT IN ('metric', 'aggregate')
            AND time >= {t:DateTime64(9, 'UTC')} - toIntervalSecond({window_s:UInt32})
            AND time < {t:DateTime64(9, 'UTC')}
    )
SELECT
    now.provider AS provider,
    now.requested AS model,
    now.value AS value,
    now.points AS points,
    now.usd AS usd,
    now.explanation AS explanation,
    now.trace_ids AS trace_ids,
    usual.ratio AS baseline
FROM (
    SELECT
        provider,
        requested,
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
    FROM entries
    GROUP BY provider, requested
) AS now
LEFT JOIN (
    SELECT
        names.provider AS provider,
        names.requested AS requested,
        toNullable(sum(hours.errors) / sum(hours.calls)) AS ratio
    FROM (
        SELECT DISTINCT provider, requested, counted_as
        FROM entries
    ) AS names
    INNER JOIN (
        SELECT provider, model, sum(errors) AS errors, sum(calls) AS calls
        FROM usage_hourly FINAL
        WHERE project = {project:String}
            AND is_deleted = 0
            AND kind IN ('llm', 'embedding')
            AND hour >= toStartOfHour({t:DateTime64(9, 'UTC')}) - toIntervalHour(168)
            AND hour < toStartOfHour({t:DateTime64(9, 'UTC')} - toIntervalSecond({window_s:UInt32}))
        GROUP BY provider, model
    ) AS hours ON hours.provider = names.provider AND hours.model = names.counted_as
    GROUP BY provider, requested
    -- Where no call of the window was answered, the name of the answers, and their hours, are not known.
    HAVING sum(hours.calls) > sum(hours.errors)
) AS usual ON usual.provider = now.provider AND usual.requested = now.requested
