"""Spans as the ledger sees them: what identifies, places and prices a call, never its content."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from spanledger_analytics._rows import Column, values_of
from spanledger_analytics.tokens import UNKNOWN, Tokens, canonical

if TYPE_CHECKING:
    import pyarrow as pa

SpanKey = tuple[str, str]
Dimensions = tuple[tuple[str, str], ...]
"""Names and values, sorted: a team, a customer."""


class Span(NamedTuple):
    """One stored span. Field names are the result columns of the statement ``ledger_spans``.

    Times are UTC nanoseconds; empty strings and None mean not reported.
    """

    trace_id: str
    span_id: str
    parent_span_id: str = ""
    version: int = 0
    name: str = ""
    role: str = "other"
    status: str = "unset"
    error_type: str = ""
    start_ns: int = 0
    end_ns: int = 0
    service_name: str = ""
    environment: str = ""
    service_instance: str = ""
    scope_name: str = ""
    dialect: str = ""
    agent_name: str = ""
    agent_version: str = ""
    workflow_name: str = ""
    session_id: str = ""
    user_id: str = ""
    task_id: str = ""
    task_outcome: str = ""
    provider: str = ""
    request_model: str = ""
    response_model: str = ""
    service_tier: str = ""
    region: str = ""
    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_5m_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    image_tokens: int | None = None
    image_output_tokens: int | None = None
    cache_read_audio_tokens: int | None = None
    web_searches: int | None = None
    usage_source: str = ""
    reported_cost_usd: Decimal | None = None
    ttft_ns: int | None = None
    stream: bool | None = None
    response_id: str = ""
    request_id: str = ""
    attempts: int | None = None
    kind: str = ""
    tool_name: str = ""
    tool_call_id: str = ""
    task_score: float | None = None
    trajectory_id: str = ""
    workflow_id: str = ""
    step_kind: str = ""
    wait_for: str = ""
    linked: str = ""
    dimensions: Dimensions = ()
    flags: tuple[str, ...] = ()

    @property
    def key(self) -> SpanKey:
        """What identifies a span within a project."""
        return self.trace_id, self.span_id

    @property
    def process(self) -> str:
        """The service instance, by its service's name where nobody numbers instances."""
        return self.service_instance or self.service_name

    @property
    def links(self) -> list[SpanKey]:
        """The spans that it links to; one of zeros, which SDKs keep for its attributes, is none."""
        return [(at[:32], at[32:]) for at in self.linked.split() if at[:32].strip("0")]

    @property
    def parent_key(self) -> SpanKey:
        """The key of the parent; of no span when this is a root."""
        return self.trace_id, self.parent_span_id


FROM_ATTRIBUTES = (
    "service_instance",
    "task_score",
    "trajectory_id",
    "workflow_id",
    "step_kind",
    "wait_for",
    "linked",
    "dimensions",
)
"""Fields that nobody writes into ``spans``: they are found in its attributes and links."""

_FIRST_COUNT = Span._fields.index("input_tokens")
_END_COUNT = Span._fields.index("web_searches") + 1


def span_tokens(span: Span) -> Tokens:
    """Return the counts a span reports, totals inclusive of their parts.

    A failed call with zero input and zero output is an instrumentation that writes zeros for
    what it does not know: no provider answers a request that had no input.
    """
    if span.input_tokens is None and span.output_tokens is None:
        return UNKNOWN
    if span.status == "error" and not span.input_tokens and not span.output_tokens:
        return UNKNOWN
    return canonical(Tokens._make(span[_FIRST_COUNT:_END_COUNT]))


def newest_versions(spans: list[Span]) -> dict[SpanKey, Span]:
    """Return each span once (rule R0): a resend repeats the ids, and the newest version wins."""
    newest: dict[SpanKey, Span] = {}
    for span in spans:
        key = (span[0], span[1])
        known = newest.get(key)
        # Equal versions are told apart by content, so that the order of rows never matters.
        if known is None or (span.version, _text(span)) > (known.version, _text(known)):
            newest[key] = span
    return newest


def _text(span: Span) -> str:
    return repr(span)


def read_spans(table: pa.Table) -> list[Span]:
    """Return the rows of a ``ledger_spans`` result."""
    columns = [values_of(table.column(field)) for field in Span._fields[:-2]]
    flags = [tuple(flags or ()) for flags in table.column("flags").to_pylist()]
    dimensions = _dimensions(table.column("dimensions"))
    return list(map(Span._make, zip(*columns, dimensions, flags, strict=True)))


def _dimensions(column: Column) -> list[Dimensions]:
    chunks = cast("list[pa.MapArray[Any, Any]]", column.chunks)
    if not any(len(chunk.keys) for chunk in chunks):  # nobody names any, as in most projects
        return [()] * len(column)
    maps = cast("list[list[tuple[str, str]] | None]", column.to_pylist())
    return [_sorted(tuple(pairs)) if pairs else () for pairs in maps]


@lru_cache(maxsize=4096)  # many spans, few owners
def _sorted(pairs: Dimensions) -> Dimensions:
    return tuple(sorted(pairs))
