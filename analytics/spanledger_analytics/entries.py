"""Ledger entries: calls as rows of the table ``ledger``, still without a price."""

from __future__ import annotations

from decimal import Decimal
from hashlib import blake2b
from typing import NamedTuple

from spanledger_analytics.calls import Call
from spanledger_analytics.spans import Dimensions, SpanKey


class Entry(NamedTuple):
    """One row of ``ledger`` without the two columns that only say how new it is.

    Field names are column names, except ``time_ns`` (UTC nanoseconds) for ``time``.
    """

    project: str
    entry_id: str
    kind: str
    time_ns: int
    duration_ns: int
    ttft_ns: int | None
    trace_id: str
    span_id: str
    trajectory_id: str
    session_id: str
    user_id: str
    agent_name: str
    agent_version: str
    workflow_name: str
    task_id: str
    dimensions: Dimensions
    service_name: str
    environment: str
    provider: str
    model: str
    request_model: str
    tool_name: str
    service_tier: str
    region: str
    status: str
    error_type: str
    stream: bool | None
    attempts: int | None
    response_id: str
    request_id: str
    input_tokens: int | None
    uncached_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    cache_write_5m_tokens: int | None
    cache_write_1h_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    audio_input_tokens: int | None
    audio_output_tokens: int | None
    image_tokens: int | None
    image_output_tokens: int | None
    cache_read_audio_tokens: int | None
    web_searches: int | None
    usage_source: str
    price_status: str
    price_id: str
    contract_id: str
    uncached_cost_usd: Decimal | None
    cache_read_cost_usd: Decimal | None
    cache_write_cost_usd: Decimal | None
    output_cost_usd: Decimal | None
    fees_cost_usd: Decimal | None
    total_cost_usd: Decimal | None
    list_cost_usd: Decimal | None
    billed_price_id: str
    billed_cost_usd: Decimal | None
    reported_cost_usd: Decimal | None
    dialects: tuple[str, ...]
    flags: tuple[str, ...]
    source_spans: tuple[SpanKey, ...]


MODEL_KINDS = frozenset({"llm", "embedding"})
"""Kinds of entries that are model calls: they alone have tokens, and are counted as calls."""
LEDGER_KINDS = MODEL_KINDS | {"tool"}
"""Kinds that are derived from spans and metrics; other writers own the others."""


def _nothing(field: str) -> object:
    if field in ("dimensions", "dialects", "flags", "source_spans"):
        return ()
    if field in ("time_ns", "duration_ns"):
        return 0
    is_unknown = field.endswith(("_tokens", "_usd")) or field in _UNKNOWN
    return None if is_unknown else ""


_UNKNOWN = frozenset({"ttft_ns", "stream", "attempts", "web_searches"})
_EMPTY = Entry._make(map(_nothing, Entry._fields))


def entry_id(project: str, trace_id: str, span_id: str) -> str:
    """Return the id of the entry whose primary span this is: 32 hex digits."""
    # Zero bytes cannot occur inside ids, so no two triples share a text.
    text = f"{project}\0{trace_id}\0{span_id}".encode()
    return blake2b(text, digest_size=16).hexdigest()


def empty_entry(project: str, entry_id: str, kind: str, time_ns: int) -> Entry:
    """Return an entry of which nothing else is known yet, for kinds that are no model calls."""
    return _EMPTY._replace(project=project, entry_id=entry_id, kind=kind, time_ns=time_ns)


def ledger_entry(project: str, call: Call) -> Entry:
    """Return the ledger row of a call, unpriced."""
    primary, tokens, context = call.primary, call.tokens, call.context
    return Entry(
        project=project,
        entry_id=entry_id(project, primary.trace_id, primary.span_id),
        kind=call.kind,
        time_ns=primary.start_ns,
        duration_ns=max(0, primary.end_ns - primary.start_ns),
        ttft_ns=call.ttft_ns,
        trace_id=primary.trace_id,
        span_id=primary.span_id,
        trajectory_id=primary.trace_id,
        session_id=context.session_id,
        user_id=context.user_id,
        agent_name=context.agent_name,
        agent_version=context.agent_version,
        workflow_name=context.workflow_name,
        task_id=context.task_id,
        dimensions=context.dimensions,
        service_name=call.service_name,
        environment=call.environment,
        provider=call.provider,
        model=call.model,
        request_model=call.request_model,
        tool_name="",
        service_tier=call.service_tier,
        region=call.region,
        status=call.status,
        error_type=call.error_type,
        stream=call.stream,
        attempts=call.attempts,
        response_id=call.response_id,
        request_id=call.request_id,
        input_tokens=tokens.input,
        uncached_tokens=tokens.uncached,
        cache_read_tokens=tokens.cache_read,
        cache_write_tokens=tokens.cache_write,
        cache_write_5m_tokens=tokens.cache_write_5m,
        cache_write_1h_tokens=tokens.cache_write_1h,
        output_tokens=tokens.output,
        reasoning_tokens=tokens.reasoning,
        audio_input_tokens=tokens.audio_input,
        audio_output_tokens=tokens.audio_output,
        image_tokens=tokens.image,
        image_output_tokens=tokens.image_output,
        cache_read_audio_tokens=tokens.cache_read_audio,
        web_searches=tokens.web_searches,
        usage_source=call.usage_source,
        price_status="unpriced",
        price_id="",
        contract_id="",
        uncached_cost_usd=None,
        cache_read_cost_usd=None,
        cache_write_cost_usd=None,
        output_cost_usd=None,
        fees_cost_usd=None,
        total_cost_usd=None,
        list_cost_usd=None,
        billed_price_id="",
        billed_cost_usd=None,
        reported_cost_usd=call.reported_cost_usd,
        dialects=call.dialects,
        flags=call.flags,
        source_spans=call.sources,
    )
