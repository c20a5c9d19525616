"""Spans made by hand, and what tests ask of the calls derived from them."""

from __future__ import annotations

from typing import Any

from spanledger_analytics.calls import Call
from spanledger_analytics.spans import Span

MS = 1_000_000
T0 = 1_790_000_000 * 10**9
TRACE = "a" * 32


def span(span_id: str, parent: str = "", **fields: Any) -> Span:
    """A span of 100 ms; ``at`` and ``lasts`` in milliseconds, ``usage`` = (input, output)."""
    start = T0 + int(fields.pop("at", 0) * MS)
    end = start + int(fields.pop("lasts", 100) * MS)
    usage = fields.pop("usage", (None, None))
    trace_id = fields.pop("trace", TRACE)
    said: dict[str, Any] = {"scope_name": "scope", "dialect": "otel", **fields}
    return Span(
        trace_id,
        span_id,
        parent_span_id=parent,
        start_ns=start,
        end_ns=end,
        input_tokens=usage[0],
        output_tokens=usage[1],
        **said,
    )


def llm(span_id: str, parent: str = "", **fields: Any) -> Span:
    return span(span_id, parent, role="llm", **{"request_model": "gpt-4o", **fields})


def tool(span_id: str, parent: str = "", **fields: Any) -> Span:
    return span(span_id, parent, role="tool", **{"tool_name": "search", **fields})


def usages(calls: list[Call]) -> list[tuple[int | None, int | None]]:
    return [(call.tokens.input, call.tokens.output) for call in calls]


def sources(calls: list[Call]) -> list[list[str]]:
    return [[span_id for _, span_id in call.sources] for call in calls]


def only(calls: list[Call]) -> Call:
    assert len(calls) == 1, sources(calls)
    return calls[0]
