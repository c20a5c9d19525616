-- Which kinds of calls does a period hold, and what is known and odd about each kind?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the call's start; max_kinds: how
--   many kinds, the largest, are named apart. The others are summed per status, usage_source,
--   price_status and flags, without names and with is_rest = 1, so that sums are over every call.
-- Columns: is_rest; kind, service_name, scopes (name@version of every instrumentation scope that
--   reported the call, sorted), provider, model, request_model, agent_name, stream, status,
--   usage_source, price_status, flags; sums: calls, usage_views (spans that report its tokens),
--   input_tokens, output_tokens, cost_usd (of what is priced), excess_usd (of the further views,
--   each at the call's own price); calls with usage that lack a class: no_cache_read,
--   no_cache_write, no_reasoning; own_ids: response ids in LiteLLM's own form; for calls whose
--   instrumentation claims a cost: claimed_calls, claimed_usd, cost_of_claimed_usd (what the ledger
--   says of them), worst (trace_id, span_id of the largest difference); examples: up to five
--   (trace_id, span_id). One row per kind of call, most calls first.
-- Sort keys used: ledger (project, toStartOfHour(time)), spans (project, toStartOfHour(start_time)).
WITH
    entries AS
    (
        SELECT *, sipHash64(entry_id) AS entry
        FROM ledger_current
        WHERE project = {project:String}
            AND time >= toDateTime({from_s:Int64}, 'UTC')
            AND time < toDateTime({to_s:Int64}, 'UTC')
            AND kind IN ('llm', 'embedding')
    ),
    seen AS
    (
        SELECT
            entry,
            arraySort(groupUniqArray(scope)) AS scopes,
            uniqExactIf(view, has_usage) AS usage_views
        FROM
        (
            SELECT
                sipHash64(trace_id, span_id) AS view,
                -- Claude Code tells its version as the service's; the scope's never changes.
                concat(scope_name, '@', if(startsWith(scope_name, 'com.anthropic.claude_code'), service_version, scope_version)) AS scope,
                input_tokens IS NOT NULL OR output_tokens IS NOT NULL AS has_usage
            FROM spans
            -- The views of a call begin while it runs. Times of 32 bits turn over at either end.
            WHERE project = {project:String}
                AND start_time >= toDateTime(greatest({from_s:Int64} - 7200, 0), 'UTC')
                AND start_time < toDateTime(least({to_s:Int64} + 7200, 4294967295), 'UTC')
                AND role IN ('llm', 'embedding', 'server', 'agent', 'workflow')
        ) AS views
        INNER JOIN
        (
            SELECT entry, sipHash64(source.1, source.2) AS view
            FROM entries
            ARRAY JOIN source_spans AS source
        ) AS sources USING (view)
        GROUP BY entry
    ),
    kinds AS
    (
        SELECT
            kind, service_name, scopes, provider, model, request_model, agent_name, stream, status,
            usage_source, price_status, flags,
            usage_source != 'none' AS has_usage,
            reported_cost_usd IS NOT NULL AS has_claim,
            count() AS calls,
            sum(usage_views) AS usage_views,
            sum(ifNull(entries.input_tokens, 0)) AS input_tokens,
            sum(ifNull(entries.output_tokens, 0)) AS output_tokens,
            sum(ifNull(total_cost_usd, 0)) AS cost_usd,
            sum(ifNull(total_cost_usd, 0) * (greatest(seen.usage_views, 1) - 1)) AS excess_usd,
            countIf(has_usage AND cache_read_tokens IS NULL) AS no_cache_read,
            countIf(has_usage AND cache_write_tokens IS NULL) AS no_cache_write,
            countIf(has_usage AND reasoning_tokens IS NULL) AS no_reasoning,
            countIf(match(response_id, '^chatcmpl-[0-9a-f]{8}-[0-9a-f]{4}-')) AS own_ids,
            countIf(has_claim) AS claimed_calls,
            sumIf(ifNull(reported_cost_usd, 0), has_claim) AS claimed_usd,
            sumIf(ifNull(total_cost_usd, 0), has_claim) AS cost_of_claimed_usd,
            maxIf(abs(ifNull(reported_cost_usd, 0) - ifNull(total_cost_usd, 0)), has_claim) AS worst_usd,
            argMaxIf((trace_id, span_id), abs(ifNull(reported_cost_usd, 0) - ifNull(total_cost_usd, 0)), has_claim) AS worst,
            groupArray(5)((trace_id, span_id)) AS examples
        FROM entries
        LEFT JOIN seen USING (entry)
        GROUP BY
            kind, service_name, scopes, provider, model, request_model, agent_name, stream, status,
            usage_source, price_status, flags, has_usage, has_claim
    ),
    ranked AS
    (
        SELECT *, row_number() OVER (ORDER BY calls DESC, cost_usd DESC, model, agent_name) > {max_kinds:UInt32} AS is_rest
        FROM kinds
    )
SELECT
    is_rest,
    if(is_rest, '', ranked.kind) AS kind,
    if(is_rest, '', ranked.service_name) AS service_name,
    if(is_rest, [], ranked.scopes) AS scopes,
    if(is_rest, '', ranked.provider) AS provider,
    if(is_rest, '', ranked.model) AS model,
    if(is_rest, '', ranked.request_model) AS request_model,
    if(is_rest, '', ranked.agent_name) AS agent_name,
    if(is_rest, NULL, ranked.stream) AS stream,
    status,
    usage_source,
    price_status,
    flags,
    sum(ranked.calls) AS calls,
    sum(ranked.usage_views) AS usage_views,
    sum(ranked.input_tokens) AS input_tokens,
    sum(ranked.output_tokens) AS output_tokens,
    sum(ranked.cost_usd) AS cost_usd,
    sum(ranked.excess_usd) AS excess_usd,
    sum(ranked.no_cache_read) AS no_cache_read,
    sum(ranked.no_cache_write) AS no_cache_write,
    sum(ranked.no_reasoning) AS no_reasoning,
    sum(ranked.own_ids) AS own_ids,
    sum(ranked.claimed_calls) AS claimed_calls,
    sum(ranked.claimed_usd) AS claimed_usd,
    sum(ranked.cost_of_claimed_usd) AS cost_of_claimed_usd,
    argMax(ranked.worst, ranked.worst_usd) AS worst,
    groupArrayArray(5)(ranked.examples) AS examples
FROM ranked
GROUP BY
    is_rest, kind, service_name, scopes, provider, model, request_model, agent_name, stream, status,
    usage_source, price_status, flags
ORDER BY is_rest, calls DESC, cost_usd DESC, model, agent_name
-- The other side is far larger once it carries every name.
SETTINGS query_plan_join_swap_table = 'false'
