-- How far is what a provider billed for a month from what the ledger says?
-- Parameters: project; t: the time: its month and the one before are told; min_usd: dollars below which a
-- difference is none; unexplained: 1: only what no cause explains, 0: the whole difference.
-- Columns: provider, month (2026-11), value (the difference as a share of the larger of both sums), points
-- (days), usd (the difference, without its sign), explanation. One row per provider and month; of days that the
-- provider does not change any more alone.
-- Sort key used: reconciliation_cells (project, day).
WITH
    sumMap(arrayMap(one -> one.cause, causes), arrayMap(one -> one.usd, causes)) AS by_cause,
    by_cause.2[indexOf(by_cause.1, 'unexplained')] AS unknown_usd,
    arraySort(pair -> -abs(pair.2), arrayZip(by_cause.1, by_cause.2))[1] AS largest,
    sum(billed_usd) AS billed,
    sum(ledger_usd) AS recorded
SELECT
    provider,
    formatDateTime(toStartOfMonth(day), '%Y-%m') AS month,
    abs(if({unexplained:UInt8} = 1, unknown_usd, billed - recorded)) AS usd,
    if(usd < {min_usd:UInt32}, 0, toFloat64(usd) / toFloat64(greatest(abs(billed), abs(recorded), usd))) AS value,
    uniqExact(day) AS points,
    concat('Billed $', toDecimalString(billed, 2), ', in the ledger $', toDecimalString(recorded, 2),
        '. Unexplained: $', toDecimalString(unknown_usd, 2),
        if(largest.1 = '', '', concat('. Largest cause: ', replaceAll(largest.1, '_', ' '),
            ', $', toDecimalString(largest.2, 2)))) AS explanation
FROM reconciliation_cells FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND is_final = 1
    AND day >= toStartOfMonth({t:DateTime64(9, 'UTC')}) - INTERVAL 1 MONTH
    AND day < toDate({t:DateTime64(9, 'UTC')})
GROUP BY provider, toStartOfMonth(day)
