"""A history for the pages: spans, ledger entries, traces and hourly usage that agree.

Made by the engine itself, a quarter of a million spans at a time. Trace n is a task of twenty
spans; tasks follow one another in time, so an insert touches a day or two. Eight agents in three
versions, six models of three providers, users and sessions as many as a busy product has.
"""

from __future__ import annotations

import time

from spanledger_analytics.usage import recompute_usage
from spanledger_storage.store import Store

SPANS_PER_TRACE = 20
_INSERT_SPANS = 250_000
_SETTLE_S = 600
_VERSION = 1


def fill(store: Store, spans: int, days: int) -> None:
    """Store a history of so many days until now; one that is stored already stays as it is."""
    [row] = store.sql_rows("SELECT count() AS n FROM spans")
    [done] = store.sql_rows("SELECT count() AS n FROM usage_hourly")
    stored = int(str(row["n"]))
    if stored and (stored != spans or not done["n"]):
        raise SystemExit(f"{stored:,} spans are stored: another history, or part of one")
    if stored:
        return
    now_s = int(time.time())
    started = time.monotonic()
    for first in range(0, spans, _INSERT_SPANS):
        values = {
            "first": first,
            "spans": min(_INSERT_SPANS, spans - first),
            "per_trace": SPANS_PER_TRACE,
            "traces": spans // SPANS_PER_TRACE,
            "since_s": now_s - days * 86_400,
            "seconds": days * 86_400 - 300,
        }
        for statement in (_SPANS, _HOURS, _ENTRIES, _TRACES):
            store.sql_rows(statement, values)
    store.sql_rows(_TOUCH, {})
    newest = now_s // 3_600 * 3_600
    hours = [("default", newest - n * 3_600) for n in range(days * 24 + 2)]
    recompute_usage(store, hours, version=time.time_ns())
    print(f"filled in {time.monotonic() - started:.0f} s", flush=True)


def settle(store: Store) -> None:
    """Wait until the engine has no merges left: they belong to the filling."""
    deadline = time.monotonic() + _SETTLE_S
    while time.monotonic() < deadline:
        [merging] = store.sql_rows("SELECT count() AS n FROM system.merges")
        if not merging["n"]:
            return
        time.sleep(1)


# Place 0 is the agent, two of five others are model calls, the rest tools. One call in fifty fails.
_NUMBERED = """
    SELECT
        number AS n,
        intDiv(n, {per_trace:UInt32}) AS trace,
        n % {per_trace:UInt32} AS place,
        lower(hex(sipHash128(trace))) AS made_trace,
        lower(hex(sipHash64(n))) AS made_span,
        lower(hex(sipHash64(n - place))) AS root_span,
        multiIf(place = 0, 'agent', place % 5 IN (1, 3), 'llm', 'tool') AS made_role,
        sipHash64(n, 1) % 50 = 0 AS is_failed,
        concat('agent-', toString(trace % 8)) AS agent,
        concat('service-', toString(trace % 4)) AS service,
        if(trace % 10 = 0, 'staging', 'production') AS stage,
        concat('user-', toString(sipHash64(trace, 2) % 2000)) AS user,
        concat('session-', toString(intDiv(trace, 3))) AS session,
        sipHash64(trace, 3) % 6 AS model_number,
        ['gpt-4o', 'gpt-4o-mini', 'claude-sonnet-4-5', 'claude-haiku-4-5', 'gemini-2.5-pro',
         'gemini-2.5-flash'][model_number + 1] AS made_model,
        ['openai', 'openai', 'anthropic', 'anthropic', 'google', 'google'][model_number + 1]
            AS made_provider,
        200 + sipHash64(n, 4) % 3800 AS uncached,
        sipHash64(n, 5) % 6000 AS cached,
        10 + sipHash64(n, 6) % 590 AS answered,
        (model_number + 1) * 500000 AS pico_per_token,
        fromUnixTimestamp64Nano(
            ({since_s:Int64} + intDiv(trace * {seconds:UInt64}, {traces:UInt64}) + place)
            * 1000000000, 'UTC') AS start
    FROM numbers({first:UInt64}, {spans:UInt64})
"""
_SPANS = f"""
INSERT INTO spans (
    project, trace_id, span_id, parent_span_id, name, kind, status, error_type, start_time,
    end_time, service_name, environment, scope_name, dialect, role, agent_name, agent_version,
    session_id, user_id, provider, request_model, response_model, input_tokens, cache_read_tokens,
    output_tokens, usage_source, tool_name, tool_outcome, attributes, resource_attributes,
    ingested_at, version
)
SELECT
    'default', made_trace, made_span, if(place = 0, '', root_span),
    multiIf(place = 0, concat('invoke ', agent), made_role = 'llm', 'chat', 'execute_tool search'),
    'internal', if(is_failed, 'error', 'ok'), if(is_failed, 'TimeoutError', ''), start,
    start + INTERVAL 800 MILLISECOND, service, stage, 'opentelemetry.instrumentation.genai',
    'otel_genai', made_role, agent, concat('v', toString(trace % 3)), session, user,
    if(made_role = 'llm', made_provider, ''), if(made_role = 'llm', made_model, ''),
    if(made_role = 'llm', made_model, ''), if(made_role = 'llm', uncached + cached, NULL),
    if(made_role = 'llm', cached, NULL), if(made_role = 'llm', answered, NULL),
    if(made_role = 'llm', 'span', 'none'),
    if(made_role = 'tool', concat('tool-', toString(sipHash64(n, 7) % 12)), ''),
    if(made_role = 'tool', if(is_failed, 'error', 'ok'), ''),
    map('gen_ai.operation.name', made_role, 'note', hex(sipHash64(n, 8))),
    map('service.name', service), start + INTERVAL 2 SECOND, {_VERSION}
FROM ({_NUMBERED})
"""
_HOURS = f"""
INSERT INTO trace_hours (project, trace_id, hour)
SELECT 'default', made_trace, toStartOfHour(start) FROM ({_NUMBERED}) WHERE place = 0
"""
_ENTRIES = f"""
INSERT INTO ledger (
    project, entry_id, kind, time, duration_ns, ttft_ns, trace_id, span_id, trajectory_id,
    session_id, user_id, agent_name, agent_version, service_name, environment, provider, model,
    request_model, status, error_type, input_tokens, uncached_tokens, cache_read_tokens,
    cache_write_tokens, output_tokens, usage_source, price_status, price_id, uncached_cost_usd,
    cache_read_cost_usd, cache_write_cost_usd, output_cost_usd, fees_cost_usd, total_cost_usd,
    list_cost_usd, source_spans, is_deleted, version
)
WITH
    CAST(uncached * pico_per_token AS Decimal(38, 12)) / 1000000000000 AS uncached_usd,
    CAST(intDiv(cached * pico_per_token, 10) AS Decimal(38, 12)) / 1000000000000 AS cached_usd,
    CAST(answered * pico_per_token * 4 AS Decimal(38, 12)) / 1000000000000 AS answered_usd,
    CAST(uncached_usd + cached_usd + answered_usd AS Decimal(38, 12)) AS total_usd
SELECT
    'default', lower(hex(sipHash128(n, 9))), 'llm', start, 800000000, 200000000, made_trace,
    made_span, made_trace, session, user, agent, concat('v', toString(trace % 3)), service, stage,
    made_provider, made_model, made_model, if(is_failed, 'error', 'ok'),
    if(is_failed, 'TimeoutError', ''), uncached + cached, uncached, cached, 0, answered, 'span',
    'priced', 'bench', uncached_usd, cached_usd, 0, answered_usd, 0, total_usd, total_usd,
    [(made_trace, made_span)], 0, {_VERSION}
FROM ({_NUMBERED})
WHERE made_role = 'llm'
"""
_TRACES = f"""
INSERT INTO traces (
    project, trace_id, name, root_span_id, start_time, end_time, status, outcome,
    service_name, environment, agent_name, agents, models, session_id, user_id, span_count,
    error_count, llm_calls, tool_calls, input_tokens, cache_read_tokens, output_tokens,
    total_cost_usd, is_deleted, version
)
WITH
    made_role = 'llm' AS is_call,
    uncached * pico_per_token + intDiv(cached * pico_per_token, 10) + answered * pico_per_token * 4
        AS pico
SELECT
    'default', made_trace, concat('invoke ', any(agent)), any(root_span), min(start),
    max(start) + INTERVAL 800 MILLISECOND, 'closed',
    ['completed', 'completed', 'completed', 'failed', ''][any(trace) % 5 + 1], any(service),
    any(stage), any(agent), [any(agent)], [any(made_model)], any(session), any(user), count(),
    countIf(is_failed), countIf(is_call), countIf(made_role = 'tool'),
    sumIf(uncached + cached, is_call), sumIf(cached, is_call), sumIf(answered, is_call),
    CAST(sumIf(pico, is_call) AS Decimal(38, 12)) / 1000000000000, 0, {_VERSION}
FROM ({_NUMBERED})
GROUP BY made_trace
"""
_TOUCH = """
INSERT INTO touches (project, trace_id, hour, flush_id, spans)
SELECT project, trace_id, toStartOfHour(start_time), 'bench', 1
FROM spans ORDER BY start_time DESC LIMIT 1
"""
