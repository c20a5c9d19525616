-- Which calls of a day show a cause?
-- Parameters: project; from_s, to_s: unix seconds, half open; shown: incomplete (tokens not known, or
--   a stream that failed after its answer began), retried (several attempts), crossing (ended on a
--   later day), unpriced, doubled (share a response id, or were told by two instrumentations), long
--   (more than 128,000 input tokens) or any; models (as in the ledger); wanted_scopes, wanted_keys:
--   two lists of one length, of these alone; most: of each; dimensions, values, scopes, keys: as in
--   reconciliation_ledger.
-- Columns: provider, model, service_tier, region, scope, api_key, trace_id, span_id, entry_id,
--   request_id, response_id. The dearest of each, in no order.
-- Sort key used: ledger (project, toStartOfHour(time), ...).
SELECT
    toString(provider) AS provider,
    toString(model) AS model,
    toString(service_tier) AS service_tier,
    toString(region) AS region,
    if(dimensions['provider_scope'] != '', dimensions['provider_scope'],
        {scopes:Array(String)}[arrayFirstIndex((name, value, scope) -> scope != '' AND dimensions[name] = value, {dimensions:Array(String)}, {values:Array(String)}, {scopes:Array(String)})]) AS scope,
    if(dimensions['provider_key'] != '', dimensions['provider_key'],
        {keys:Array(String)}[arrayFirstIndex((name, value, key) -> key != '' AND dimensions[name] = value, {dimensions:Array(String)}, {values:Array(String)}, {keys:Array(String)})]) AS api_key,
    trace_id,
    span_id,
    entry_id,
    request_id,
    response_id
FROM ledger_current
WHERE project = {project:String}
    AND toStartOfHour(time) >= toDateTime({from_s:Int64}, 'UTC')
    AND toStartOfHour(time) < toDateTime({to_s:Int64}, 'UTC')
    AND kind IN ('llm', 'embedding')
    AND toString(model) IN {models:Array(String)}
    AND (scope, api_key) IN (SELECT arrayJoin(arrayZip({wanted_scopes:Array(String)}, {wanted_keys:Array(String)})))
    AND multiIf(
        {shown:String} = 'incomplete', input_tokens IS NULL OR output_tokens IS NULL OR usage_source = 'estimated' OR (ifNull(stream, 0) AND status = 'error' AND response_id != ''),
        {shown:String} = 'retried', ifNull(attempts, 1) > 1 AND usage_source != 'metric',
        {shown:String} = 'crossing', toDate(time, 'UTC') != toDate(addNanoseconds(time, toInt64(least(duration_ns, 604800000000000))), 'UTC'),
        {shown:String} = 'unpriced', total_cost_usd IS NULL,
        {shown:String} = 'long', ifNull(input_tokens, 0) > 128000,
        {shown:String} = 'doubled', (model, ifNull(input_tokens, 0), ifNull(output_tokens, 0), intDiv(toUnixTimestamp(toDateTime(time, 'UTC')), 4)) IN (
            SELECT model, ifNull(input_tokens, 0), ifNull(output_tokens, 0), intDiv(toUnixTimestamp(toDateTime(time, 'UTC')), 4)
            FROM ledger_current
            WHERE project = {project:String}
                AND toStartOfHour(time) >= toDateTime({from_s:Int64}, 'UTC')
                AND toStartOfHour(time) < toDateTime({to_s:Int64}, 'UTC')
                AND {shown:String} = 'doubled'
            GROUP BY 1, 2, 3, 4
            HAVING count() > 1
        ),
        1)
ORDER BY ifNull(total_cost_usd, 0) DESC, entry_id
LIMIT {most:UInt32} BY provider, model, service_tier, region, scope, api_key
SETTINGS do_not_merge_across_partitions_select_final = 1
